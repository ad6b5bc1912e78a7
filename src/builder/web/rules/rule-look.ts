/** How the field for a rule's text looks, in light and dark. */
import { EditorView } from '@codemirror/view';

const color = (name: string, light: number, dark: number) =>
  `light-dark(var(--mantine-color-${name}-${light}), var(--mantine-color-${name}-${dark}))`;

export const look = EditorView.theme({
  '&': {
    fontSize: 'var(--mantine-font-size-md)',
    color: 'var(--mantine-color-text)',
    backgroundColor: 'var(--mantine-color-default)',
    border: '1px solid var(--mantine-color-default-border)',
    borderRadius: 'var(--mantine-radius-default)',
  },
  '&.cm-focused': {
    outline: 'none',
    borderColor: 'var(--accent)',
    boxShadow: '0 0 0 1px var(--accent)',
  },
  '&:has([aria-invalid="true"])': { borderColor: 'var(--mantine-color-error)' },
  '.cm-scroller': {
    fontFamily: 'var(--mantine-font-family-monospace)',
    lineHeight: '1.9',
    maxHeight: '22em',
    overflow: 'auto',
  },
  '.cm-content': {
    minHeight: '5.7em',
    padding: '8px 0',
    caretColor: 'var(--mantine-color-text)',
  },
  '.cm-line': { padding: '0 12px' },
  '.cm-placeholder': {
    color: 'var(--mantine-color-placeholder)',
    fontFamily: 'var(--mantine-font-family)',
  },
  '.cm-cursor, .cm-dropCursor': { borderLeftColor: 'var(--mantine-color-text)' },
  '.cm-keyword': { color: color('violet', 7, 3), fontWeight: '650' },
  '.cm-trait, .cm-key': { color: color('petrol', 8, 3), fontWeight: '600' },
  '.cm-operator': { color: color('gray', 7, 5) },
  '.cm-number': { color: color('amber', 7, 4) },
  '.cm-text': { color: color('green', 7, 3) },
  '.cm-bracket': { color: color('gray', 7, 5) },
  '.cm-mistake': {
    textDecoration: 'underline wavy var(--mantine-color-error)',
    textDecorationSkipInk: 'none',
    textUnderlineOffset: '4px',
    backgroundColor: 'color-mix(in oklab, var(--mantine-color-error) 14%, transparent)',
  },
  '.cm-name': {
    margin: '0 1px 0 5px',
    padding: '2px 7px',
    borderRadius: '4px',
    backgroundColor: 'var(--accent-faint)',
    color: 'var(--mantine-color-text)',
    fontFamily: 'var(--mantine-font-family)',
    fontSize: 'var(--mantine-font-size-xs)',
  },
  '.cm-tooltip': {
    zIndex: '320',
    border: '1px solid var(--mantine-color-default-border)',
    borderRadius: 'var(--mantine-radius-default)',
    backgroundColor: 'var(--mantine-color-body)',
    color: 'var(--mantine-color-text)',
    boxShadow: 'var(--mantine-shadow-md)',
    overflow: 'hidden',
  },
  '.cm-tooltip.cm-tooltip-autocomplete > ul': {
    fontFamily: 'var(--mantine-font-family)',
    fontSize: 'var(--mantine-font-size-sm)',
    maxHeight: '17em',
    minWidth: 'min(280px, 90vw)',
    maxWidth: 'min(560px, 94vw)',
  },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li': {
    display: 'flex',
    gap: '16px',
    alignItems: 'baseline',
    justifyContent: 'space-between',
    padding: '5px 12px',
  },
  '.cm-tooltip-autocomplete ul li[aria-selected]': {
    backgroundColor: 'var(--accent-faint)',
    color: 'var(--mantine-color-text)',
    boxShadow: 'inset 3px 0 0 var(--accent)',
  },
  '.cm-completionLabel': { overflow: 'hidden', textOverflow: 'ellipsis' },
  '.cm-completionDetail': {
    flex: 'none',
    margin: '0',
    color: 'var(--mantine-color-dimmed)',
    fontStyle: 'normal',
    fontSize: 'var(--mantine-font-size-xs)',
  },
  '.cm-card': { padding: '8px 12px', maxWidth: 'min(420px, 88vw)' },
  '.cm-card-name': { fontWeight: '600' },
  '.cm-card-about': {
    color: 'var(--mantine-color-dimmed)',
    fontSize: 'var(--mantine-font-size-xs)',
  },
  '.cm-card-rule': {
    marginTop: '6px',
    fontFamily: 'var(--mantine-font-family-monospace)',
    fontSize: 'var(--mantine-font-size-xs)',
    overflowWrap: 'anywhere',
  },
});
