import { version } from 'react';
import { version as domVersion } from 'react-dom';
import { expect, test } from 'vitest';

test('the tests run on the requested version of React', () => {
  const major = process.env['REACT'] ?? '19';
  expect([version, domVersion].map((each) => each.split('.')[0])).toEqual([major, major]);
});
