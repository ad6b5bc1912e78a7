/** The pages: where they are, how they are called, and what is loaded for them. */
import {
  IconArrowsSplit2,
  IconBook2,
  IconChartBar,
  IconHelpHexagon,
  IconHistory,
  IconSettings,
  IconTags,
  IconUsers,
  IconUsersGroup,
} from '@tabler/icons-react';
import { type ComponentType, type LazyExoticComponent, lazy } from 'react';
import type { Role } from '../caller.ts';

export interface Place {
  /** Below `/builder/`; pages below it are the page's own `Routes`. */
  readonly path: string;
  /** In the navigation. */
  readonly title: string;
  readonly icon: ComponentType<{ size?: number; stroke?: number }>;
  /** Who sees it; everybody if not said. */
  readonly role?: Role;
  readonly page: LazyExoticComponent<ComponentType>;
}

/** What the application is for. */
export const PLACES: readonly Place[] = [
  {
    path: 'destinations',
    title: 'Destinations',
    icon: IconArrowsSplit2,
    page: lazy(() => import('./destinations/destinations.tsx')),
  },
  {
    path: 'segments',
    title: 'Segments',
    icon: IconUsersGroup,
    page: lazy(() => import('./segments/segments.tsx')),
  },
  {
    path: 'traits',
    title: 'Traits',
    icon: IconTags,
    page: lazy(() => import('./traits/traits.tsx')),
  },
  {
    path: 'why',
    title: 'Why?',
    icon: IconHelpHexagon,
    page: lazy(() => import('./why/why.tsx')),
  },
  {
    path: 'reports',
    title: 'Reports',
    icon: IconChartBar,
    page: lazy(() => import('./reports/reports.tsx')),
  },
  {
    path: 'activity',
    title: 'Activity',
    icon: IconHistory,
    page: lazy(() => import('./activity/activity.tsx')),
  },
];

/** What it needs for that. */
export const BESIDES: readonly Place[] = [
  {
    path: 'settings',
    title: 'Settings',
    icon: IconSettings,
    page: lazy(() => import('./settings/settings.tsx')),
  },
  {
    path: 'people',
    title: 'People and keys',
    icon: IconUsers,
    role: 'admin',
    page: lazy(() => import('./people/people.tsx')),
  },
  {
    path: 'reference',
    title: 'API',
    icon: IconBook2,
    page: lazy(() => import('./reference/reference.tsx')),
  },
];
