/** Who uses the application, and what they may do. */
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { createContext, type ReactNode, use } from 'react';
import type { Caller, Role } from '../caller.ts';
import { ApiError, api } from './api.ts';

export type Session = Caller;

const KEY = ['session'];

/** Who is logged in: `null` nobody, `undefined` not known yet. */
export function useWhoIsThere() {
  return useQuery<Session | null, ApiError>({
    queryKey: KEY,
    queryFn: async ({ signal }) => {
      try {
        return await api.get<Session>('/session', signal);
      } catch (error) {
        if (error instanceof ApiError && error.status === 401) return null;
        throw error;
      }
    },
    staleTime: 60_000,
  });
}

/** Sets who is logged in; what was kept for somebody else is forgotten. */
export function useEntrance(): (session: Session | null) => void {
  const client = useQueryClient();
  return (session) => {
    client.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== KEY[0] });
    client.setQueryData(KEY, session);
  };
}

const Current = createContext<Session | undefined>(undefined);

export function SessionOf({ session, children }: { session: Session; children: ReactNode }) {
  return <Current value={session}>{children}</Current>;
}

/** The one who is logged in; only where somebody is. */
export function useSession(): Session {
  const session = use(Current);
  if (!session) throw new Error('nobody is logged in here');
  return session;
}

const RANKS: readonly Role[] = ['viewer', 'editor', 'admin'];

/** Whether they may do what needs a role: `useMay('editor')` for everything that changes the account. */
export function useMay(role: Role): boolean {
  return RANKS.indexOf(useSession().role) >= RANKS.indexOf(role);
}
