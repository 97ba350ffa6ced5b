/** The page of all errors, made of the catalogue. A test holds docs/errors.md to it; `npm run docs` writes it. */
import { ERRORS, type WhatFollows } from '../lib/runtime/errors.js';

const FOLLOWS: Readonly<Record<WhatFollows, string>> = {
  refuse: 'the input is refused, everything else goes on',
  quarantine: 'the task goes to quarantine, with the reason',
  retry: 'it is retried, at growing intervals',
  'exit-1': 'the program shuts down gracefully, exit code 1',
  'exit-2': 'nothing is started, exit code 2',
};

export function errorsPage(): string {
  const rows = Object.entries(ERRORS).map(([code, { sentence, follows }]) => {
    return `| \`${code}\` | ${sentence} | ${FOLLOWS[follows]} |`;
  });
  return `# Errors

<!-- Generated from lib/runtime/errors.ts by \`npm run docs\`; do not edit. -->

The codes used in the log, in the quarantine and in the output of commands.

| code | meaning | consequence |
|---|---|---|
${rows.join('\n')}
`;
}
