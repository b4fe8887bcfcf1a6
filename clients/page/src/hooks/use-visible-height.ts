import { useEffect } from 'react';

const PROPERTY = '--visible-height';

/**
 * Sets the CSS property `--visible-height` to the height above the keyboard of a phone while the keyboard is open.
 *
 * Browsers that shrink the page for the keyboard need no such property: there, `100dvh` is that height.
 */
export function useVisibleHeight(): void {
  useEffect(() => {
    const viewport = window.visualViewport;
    if (!viewport) return undefined;
    const root = document.documentElement;
    const update = (): void => {
      // A magnified page also shows less of itself, but it keeps its size.
      const isCovered = viewport.scale <= 1 && viewport.height < window.innerHeight - 1;
      if (isCovered) {
        root.style.setProperty(PROPERTY, `${viewport.height}px`);
        // The browser has moved the page up to show the field. The page now fits, so the move would hide its top.
        window.scrollTo(0, 0);
      } else {
        root.style.removeProperty(PROPERTY);
      }
      const field = document.activeElement;
      if (viewport.scale <= 1 && field?.matches('input, textarea')) field.scrollIntoView({ block: 'nearest' });
    };
    update();
    viewport.addEventListener('resize', update);
    return () => {
      viewport.removeEventListener('resize', update);
      root.style.removeProperty(PROPERTY);
    };
  }, []);
}
