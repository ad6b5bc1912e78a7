/** The frame around all pages: navigation, who is there, what is in force. */
import {
  Avatar,
  Burger,
  Drawer,
  Menu,
  Text,
  UnstyledButton,
  useMantineColorScheme,
} from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import {
  IconChevronUp,
  IconDeviceDesktop,
  IconKey,
  IconLogout,
  IconMoon,
  IconSun,
} from '@tabler/icons-react';
import { type ReactNode, useEffect, useRef } from 'react';
import { Link, NavLink, useLocation, useNavigate } from 'react-router';
import { api } from './api.ts';
import { Brand } from './brand.tsx';
import classes from './layout.module.css';
import { PublishingState } from './publishing-state.tsx';
import { BESIDES, PLACES, type Place } from './routes.tsx';
import { useEntrance, useMay, useSession } from './session.tsx';

export function Layout({ children }: { children: ReactNode }) {
  const [isOpen, drawer] = useDisclosure();
  const { pathname } = useLocation();
  const main = useRef<HTMLElement>(null);
  const before = useRef(pathname);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a page that was gone to starts at its top
  useEffect(() => {
    if (before.current === pathname) return;
    before.current = pathname;
    drawer.close();
    window.scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [pathname]);
  return (
    <div className={classes.frame}>
      <a className={classes.skip} href="#main">
        Skip to the content
      </a>
      <section aria-label="Top" className={classes.bar}>
        <Burger size="sm" opened={isOpen} onClick={drawer.open} aria-label="Open the navigation" />
        <Link to="/" className={classes.home}>
          <Brand />
        </Link>
      </section>
      <Drawer
        opened={isOpen}
        onClose={drawer.close}
        position="left"
        size={280}
        title={<Brand />}
        closeButtonProps={{ 'aria-label': 'Close the navigation' }}
        classNames={{ body: classes.drawer, content: classes.rail, header: classes.top }}
      >
        <Navigation />
      </Drawer>
      <section aria-label="Side" className={classes.rail} data-fixed>
        <Link to="/" className={classes.home}>
          <Brand />
        </Link>
        <Navigation />
      </section>
      <main id="main" className={classes.main} ref={main} tabIndex={-1}>
        {children}
      </main>
    </div>
  );
}

function Navigation() {
  return (
    <>
      <nav aria-label="Pages" className={classes.nav}>
        <ul>
          {PLACES.map((place) => (
            <Entry key={place.path} place={place} />
          ))}
        </ul>
        <ul>
          {BESIDES.map((place) => (
            <Entry key={place.path} place={place} />
          ))}
        </ul>
      </nav>
      <div className={classes.foot}>
        <PublishingState />
        <Person />
      </div>
    </>
  );
}

function Entry({ place: { path, title, icon: Icon, role = 'viewer' } }: { place: Place }) {
  const isAllowed = useMay(role);
  if (!isAllowed) return null;
  return (
    <li>
      <NavLink to={`/${path}`} className={classes.entry}>
        <Icon size={18} stroke={1.6} />
        {title}
      </NavLink>
    </li>
  );
}

/** The one who is logged in: password, look, way out. */
function Person() {
  const session = useSession();
  const enter = useEntrance();
  const navigate = useNavigate();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return (
    <Menu position="top-start" width={240} shadow="md">
      <Menu.Target>
        <UnstyledButton className={classes.person}>
          <Avatar size={30} radius="xl" name={session.name} color="petrol" aria-hidden />
          <span className={classes.who}>
            <Text span size="sm" fw={550} truncate>
              {session.name}
            </Text>
            <Text span size="xs" c="dimmed">
              {session.role}
            </Text>
          </span>
          <IconChevronUp size={16} aria-hidden />
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>Appearance</Menu.Label>
        <Menu.RadioGroup
          value={colorScheme}
          onChange={(value) => setColorScheme(value as typeof colorScheme)}
        >
          {LOOKS.map(({ value, name, icon: Icon }) => (
            <Menu.RadioItem
              key={value}
              value={value}
              rightSection={<Icon size={16} stroke={1.6} aria-hidden />}
            >
              {name}
            </Menu.RadioItem>
          ))}
        </Menu.RadioGroup>
        <Menu.Divider />
        {session.kind === 'session' && (
          <Menu.Item
            leftSection={<IconKey size={16} aria-hidden />}
            onClick={() => navigate('/password')}
          >
            Change password
          </Menu.Item>
        )}
        <Menu.Item
          leftSection={<IconLogout size={16} aria-hidden />}
          onClick={() => api.remove('/session').finally(() => enter(null))}
        >
          Log out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

const LOOKS = [
  { value: 'light', name: 'Light', icon: IconSun },
  { value: 'dark', name: 'Dark', icon: IconMoon },
  { value: 'auto', name: 'As the system', icon: IconDeviceDesktop },
];
