import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  // Relative addresses hold behind any stage prefix.
  base: './',
  build: {
    outDir: here('../../functions/agent/http/static/built'),
    emptyOutDir: true,
    // No file becomes a data: address, which the page's content security policy would refuse.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      onLog(level, log, handle) {
        // The hook is for frameworks that render on a server, too; this page has no server side to keep apart.
        if (log.code !== 'MODULE_LEVEL_DIRECTIVE') handle(level, log);
      },
    },
  },
  resolve: {
    // The hook's own sources, so that building the page needs nothing else to be built before.
    alias: { '@hybrid-memory/react': here('../react/src/index.ts') },
    dedupe: ['react', 'react-dom'],
  },
  server: {
    host: '127.0.0.1',
    // `npm run dev` shows the page on an address of its own; what it asks for goes to the API.
    proxy: process.env.API ? { '^/(run|threads|users|health|status|docs|openapi)': { target: process.env.API } } : {},
  },
});
