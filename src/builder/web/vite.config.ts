import path from 'node:path';
import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';
import { SOURCES } from '../build.ts';

const web = fileURLToPath(new URL('.', import.meta.url));
const root = path.resolve(web, '../../..');

/** A source that the name of a build does not cover would not be built again when it changes. */
const sources: Plugin = {
  name: 'sources',
  generateBundle() {
    for (const id of this.getModuleIds()) {
      const file = path.relative(root, id.split('?')[0]);
      const isOwn = path.isAbsolute(id) && !file.startsWith('..') && !file.includes('node_modules');
      if (isOwn && !SOURCES.some((source) => file.startsWith(`${source}/`))) {
        this.error(`${file} is outside of the application's sources: add its folder to SOURCES`);
      }
    }
  },
};

/** The library's own index has thousands of icons: reading all of them takes a third of a build. */
const icons: Plugin = {
  name: 'icons',
  enforce: 'pre',
  transform: {
    filter: { code: '@tabler/icons-react', id: { exclude: '**/node_modules/**' } },
    handler: (code) =>
      code.replace(/import \{([^}]*)\} from '@tabler\/icons-react';/g, (_, names: string) =>
        names
          .split(',')
          .map((name) => name.trim())
          .filter((name) => name && !name.startsWith('type '))
          .map((name) => `import ${name} from '@tabler/icons-react/dist/esm/icons/${name}.mjs';`)
          .join(''),
      ),
  },
};

export default defineConfig({
  root: web,
  base: '/builder/',
  plugins: [icons, react(), sources],
  build: {
    outDir: path.join(root, '.builder/development'),
    emptyOutDir: true,
    target: 'baseline-widely-available',
    // The Content-Security-Policy allows no data: addresses, and no inline scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1_000,
  },
});
