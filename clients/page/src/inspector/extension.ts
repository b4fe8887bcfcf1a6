import type { ComponentType } from 'react';
import type { Api } from '../api/client.ts';

/** What a part of the inspector gets that only another build of the page adds. */
export interface ExtensionProps {
  api: Api;
  threadId: string | null;
}

let extension: ComponentType<ExtensionProps> | null = null;

/** Adds a part to the inspector. Only the local stack's build of the page calls it, before the first rendering. */
export function extendInspector(component: ComponentType<ExtensionProps>): void {
  extension = component;
}

/** Returns the added part, or null. */
export function inspectorExtension(): ComponentType<ExtensionProps> | null {
  return extension;
}
