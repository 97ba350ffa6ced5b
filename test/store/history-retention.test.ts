import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadSpec } from '../../lib/model/spec.js';
import { historiesOf } from '../../lib/store/history-retention.js';

const observed = (maxAge: string) => `
  a_${maxAge}: { name: Attribute, type: observations, data_type: int, history_params: { max_age: ${maxAge} } }`;

test('a max_age further back than any instant keeps its rows forever, and is nothing to compute with', () => {
  const text = `
entity: { id: item, id_data_type: string, name: Item, snapshot: false }
attribs:${['7d', '36500d', '999999999d'].map(observed).join('')}
`;
  const { spec } = loadSpec([{ file: 'item.yml', document: parse(text, { mapAsMap: true }) }]);
  expect(historiesOf(spec!)).toEqual([
    { etype: 'item', attr: 'a_7d', maxAgeMs: 7 * 86_400_000 },
    { etype: 'item', attr: 'a_36500d', maxAgeMs: 36_500 * 86_400_000 },
  ]);
});
