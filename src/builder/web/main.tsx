import { nonce } from './trust.ts';
import './steps.ts';
import '@mantine/core/styles.layer.css';
import '@mantine/notifications/styles.layer.css';
import './base.css';
import { MantineProvider } from '@mantine/core';
import { Notifications } from '@mantine/notifications';
import { QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode, Suspense } from 'react';
import { createRoot } from 'react-dom/client';
import { BrowserRouter, Navigate, Route, Routes } from 'react-router';
import { ApiError } from './api.ts';
import { Confirmation } from './confirmation.tsx';
import { Fault } from './fault.tsx';
import { Layout } from './layout.tsx';
import { FirstPassword, Login } from './login.tsx';
import { Missing } from './missing.tsx';
import { Password } from './password.tsx';
import { BESIDES, PLACES } from './routes.tsx';
import { SessionOf, useWhoIsThere } from './session.tsx';
import { Failed, Loading } from './state.tsx';
import { theme, variables } from './theme.ts';

const client: QueryClient = new QueryClient({
  queryCache: new QueryCache({
    // The session has ended: whoever is there has to log in again.
    onError: (error) => {
      const isOver = error instanceof ApiError && error.status === 401;
      if (isOver) client.invalidateQueries({ queryKey: ['session'] });
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: 2_000,
      // What the server refuses, it refuses again.
      retry: (times, error) =>
        times < 2 && error instanceof ApiError && (error.status === 0 || error.status >= 502),
    },
  },
});

// A newer version is served: the files of this one are gone.
window.addEventListener('vite:preloadError', (event) => {
  const at = Number(sessionStorage.getItem('reloaded'));
  if (Date.now() - at < 10_000) return;
  event.preventDefault();
  sessionStorage.setItem('reloaded', String(Date.now()));
  location.reload();
});

function Application() {
  const { data: session, error, refetch } = useWhoIsThere();
  if (session === undefined) {
    return error ? <Failed error={error} retry={() => refetch()} /> : <Loading />;
  }
  if (session === null) return <Login />;
  if (session.mustChangePassword) return <FirstPassword session={session} />;
  return (
    <SessionOf session={session}>
      <Layout>
        <Fault>
          <Suspense fallback={<Loading />}>
            <Routes>
              <Route index element={<Navigate to="/destinations" replace />} />
              {[...PLACES, ...BESIDES].map(({ path, page: Content, role }) => (
                <Route
                  key={path}
                  path={`${path}/*`}
                  element={role === 'admin' && session.role !== role ? <Missing /> : <Content />}
                />
              ))}
              <Route path="password" element={<Password />} />
              <Route path="*" element={<Missing />} />
            </Routes>
          </Suspense>
        </Fault>
      </Layout>
    </SessionOf>
  );
}

createRoot(document.getElementById('root') as HTMLElement).render(
  <StrictMode>
    <MantineProvider
      theme={theme}
      cssVariablesResolver={variables}
      defaultColorScheme="auto"
      getStyleNonce={() => nonce}
    >
      <QueryClientProvider client={client}>
        <Notifications position="bottom-right" />
        <Confirmation>
          <BrowserRouter basename="/builder">
            <Application />
          </BrowserRouter>
        </Confirmation>
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
);
