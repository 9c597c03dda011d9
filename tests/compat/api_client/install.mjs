// The official api-client, unmodified, without what it only needs for its types.

import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { unpackRelease } from '../../lib/release.mjs';

const RELEASE = ['@elizaos/api-client', '1.7.2',
    '1v0fBpzHrUUfl1kUUuLuma7r5VSdB2bf8prnGyGsrwbBOMDTZencr6inwm/NIpzXmzJFv8Q++x0paLd0PoYqBA=='];

export const loadApiClient = () => import(
    pathToFileURL(path.join(unpackRelease(...RELEASE), 'dist', 'index.js')));
