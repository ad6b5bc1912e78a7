/** How everything looks: colours, type, spacing. */
import {
  type CSSVariablesResolver,
  createTheme,
  type MantineColorsTuple,
  rem,
} from '@mantine/core';
import classes from './theme.module.css';

// Lightness runs alike through all of them; 7 on white and white on 6 have a contrast of 4.5 at least.
const petrol: MantineColorsTuple = [
  '#eef9fc',
  '#d7f1f6',
  '#b4e2ec',
  '#8acedc',
  '#5eb5c6',
  '#3799ab',
  '#128193',
  '#036a79',
  '#00535f',
  '#023b45',
];
const green: MantineColorsTuple = [
  '#eefaf2',
  '#d8f3e0',
  '#b6e7c6',
  '#8dd4a5',
  '#62bc85',
  '#3ca168',
  '#1a8650',
  '#05703f',
  '#005830',
  '#053f22',
];
const amber: MantineColorsTuple = [
  '#fef5eb',
  '#fbe8d0',
  '#f4d3a7',
  '#e6b878',
  '#d29b48',
  '#b77e17',
  '#9a6705',
  '#7e5401',
  '#634103',
  '#482e00',
];
const red: MantineColorsTuple = [
  '#fef4f3',
  '#ffe4e1',
  '#ffcbc5',
  '#fea69e',
  '#fb7871',
  '#e05753',
  '#c43c3b',
  '#a5292b',
  '#841d1f',
  '#5e1717',
];
const violet: MantineColorsTuple = [
  '#f7f5fe',
  '#ece8fe',
  '#dbd2ff',
  '#c5b4fe',
  '#ad93f4',
  '#9275db',
  '#7b5dc0',
  '#6549a3',
  '#4f3882',
  '#38285d',
];
const gray: MantineColorsTuple = [
  '#fafbfc',
  '#f4f6f7',
  '#e8edee',
  '#dae0e2',
  '#c2c9cc',
  '#98a1a5',
  '#6c777b',
  '#505b5f',
  '#353f43',
  '#182124',
];
const dark: MantineColorsTuple = [
  '#e1eaec',
  '#c4cccf',
  '#a4acaf',
  '#858d90',
  '#474e51',
  '#2f3538',
  '#202629',
  '#171d1f',
  '#101618',
  '#0a0f11',
];

const colors = { petrol, green, amber, red, violet, gray, dark };

export const theme = createTheme({
  colors,
  primaryColor: 'petrol',
  primaryShade: { light: 7, dark: 6 },
  black: '#182124',
  defaultRadius: 'sm',
  radius: { xs: rem(4), sm: rem(6), md: rem(8), lg: rem(12), xl: rem(20) },
  fontFamily:
    'ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, monospace',
  fontSizes: { xs: rem(12), sm: rem(13.5), md: rem(14.5), lg: rem(16.5), xl: rem(20) },
  lineHeights: { xs: '1.4', sm: '1.45', md: '1.5', lg: '1.5', xl: '1.4' },
  headings: {
    fontWeight: '620',
    sizes: {
      h1: { fontSize: rem(23), lineHeight: '1.25' },
      h2: { fontSize: rem(17), lineHeight: '1.35' },
      h3: { fontSize: rem(15), lineHeight: '1.4' },
    },
  },
  shadows: {
    xs: '0 1px 2px rgb(16 32 36 / 6%)',
    sm: '0 1px 3px rgb(16 32 36 / 10%)',
    md: '0 4px 16px rgb(16 32 36 / 12%)',
    lg: '0 8px 28px rgb(16 32 36 / 14%)',
    xl: '0 16px 48px rgb(16 32 36 / 18%)',
  },
  respectReducedMotion: true,
  cursorType: 'pointer',
  components: {
    Button: { defaultProps: { size: 'sm' }, styles: { root: { fontWeight: 550 } } },
    Input: { classNames: { wrapper: classes.field } },
    Checkbox: { classNames: { input: classes.box } },
    Radio: { classNames: { radio: classes.box } },
    RadioIndicator: { classNames: { indicator: classes.box } },
    CheckboxIndicator: { classNames: { indicator: classes.box } },
    Anchor: { defaultProps: { underline: 'always' } },
    Badge: {
      defaultProps: { variant: 'light', radius: 'sm', tt: 'none', fw: 550 },
    },
    Modal: {
      defaultProps: { radius: 'md', centered: true },
      classNames: { title: classes.title },
    },
    Drawer: {
      defaultProps: { position: 'right', radius: 0 },
      classNames: { title: classes.title },
    },
    // The placeholder is a child that a menu may not have.
    Menu: { defaultProps: { withInitialFocusPlaceholder: false } },
    Tooltip: {
      defaultProps: { openDelay: 250, events: { hover: true, focus: true, touch: true } },
    },
    Loader: { defaultProps: { type: 'dots', size: 'sm' } },
    Alert: { defaultProps: { variant: 'light' }, classNames: { root: classes.alert } },
    Paper: { classNames: { root: classes.paper } },
  },
});

/** Grounds of badges and notes in the dark: Mantine's are as dark as what they lie on. */
const grounds = Object.fromEntries(
  Object.keys(colors).flatMap((name) => {
    const color = `--mantine-color-${name}`;
    const tint = name === 'gray' ? 5 : 6;
    return [
      [`${color}-light`, `color-mix(in oklab, var(${color}-${tint}) 24%, transparent)`],
      [`${color}-light-hover`, `color-mix(in oklab, var(${color}-${tint}) 34%, transparent)`],
      [`${color}-light-color`, `var(${color}-2)`],
    ];
  }),
);

/** Mantine's own choices for these are too faint for text, or for the edge of a field. */
export const variables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-error': 'var(--mantine-color-red-7)',
    '--mantine-color-success': 'var(--mantine-color-green-7)',
    '--mantine-color-placeholder': 'var(--mantine-color-gray-6)',
    '--mantine-color-dimmed': 'var(--mantine-color-gray-7)',
    '--field-line': '#8c9599',
    '--mantine-color-disabled-color': 'var(--mantine-color-gray-6)',
    '--canvas': 'var(--mantine-color-gray-0)',
    '--rail': 'var(--mantine-color-gray-1)',
    '--line': 'var(--mantine-color-gray-3)',
    '--faint': 'var(--mantine-color-gray-1)',
    '--accent': 'var(--mantine-color-petrol-7)',
    '--accent-faint': 'var(--mantine-color-petrol-0)',
  },
  dark: {
    ...grounds,
    '--field-line': '#687276',
    '--mantine-color-error': 'var(--mantine-color-red-4)',
    '--mantine-color-success': 'var(--mantine-color-green-4)',
    '--mantine-color-placeholder': 'var(--mantine-color-dark-3)',
    '--mantine-color-default': 'var(--mantine-color-dark-7)',
    '--mantine-color-default-hover': 'var(--mantine-color-dark-6)',
    '--mantine-color-disabled-color': 'var(--mantine-color-dark-3)',
    '--canvas': 'var(--mantine-color-dark-8)',
    '--rail': 'var(--mantine-color-dark-9)',
    '--line': 'var(--mantine-color-dark-5)',
    '--faint': 'var(--mantine-color-dark-6)',
    '--accent': 'var(--mantine-color-petrol-4)',
    '--accent-faint': 'color-mix(in oklab, var(--mantine-color-petrol-9) 45%, transparent)',
  },
});
