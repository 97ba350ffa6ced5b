import { describe, expect, it } from 'vitest';
import { declares, modelDeclaration } from '../../lib/hooks/model-declaration.js';
import { loadTestModel } from '../support/model.js';
import { entityText, modelOf } from '../support/model-texts.js';

/** The lines about attributes of one entity type with these attributes. */
function linesOf(...attribs: string[]): string[] {
  const text = modelDeclaration(modelOf({ thing: entityText('thing', 'string', ...attribs) }));
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.includes(': { given: '));
}

const plain = (type: string) => `a: { name: A, type: plain, data_type: '${type}' }`;

describe('the file of types', () => {
  it.each([
    ['tag', 'boolean', 'boolean'],
    ['int64', 'number | bigint', 'number | bigint'],
    ['float', 'number', 'number'],
    ['time', 'TimeInput', 'Instant'],
    ['array<time>', 'readonly (string | number)[]', 'readonly Instant[]'],
    ['json', 'object | string', 'unknown'],
    ['special', 'unknown', 'unknown'],
    ['set<int>', 'readonly (number | bigint)[]', 'readonly (number | bigint)[]'],
    ['category<string;a,b>', "'a' | 'b'", "'a' | 'b'"],
    ['category<int;1,99999999999999999999>', '1 | 99999999999999999999n', '1 | 99999999999999999999n'],
    ['category<float;1,2>', '1 | 2', '1 | 2'],
    ['category<tag;true,false>', 'boolean', 'boolean'],
    ['link<thing>', '{ readonly eid: string }', '{ readonly eid: string }'],
    ['dict<b?:tag>', '{ readonly b?: boolean | null }', '{ readonly b: boolean | null }'],
  ])('says of %s what may be given and how it is kept', (type, given, kept) => {
    const text = linesOf(plain(type));
    expect(text).toEqual([`a: { given: ${given}; kept: ${kept} };`]);
  });

  it('breaks a line that would be long', () => {
    const long = 'dict<first:int,second:int,third:int>';
    expect(modelDeclaration(modelOf({ thing: entityText('thing', 'string', plain(long)) }))).toContain(`
        a: {
          given: { readonly first: number | bigint; readonly second: number | bigint; readonly third: number | bigint };
          kept: { readonly first: number | bigint; readonly second: number | bigint; readonly third: number | bigint };
        };
`);
  });

  it('is the same for the same model, and known again whatever a formatter has done to it', () => {
    const spec = loadTestModel();
    const text = modelDeclaration(spec);
    expect(text).toBe(modelDeclaration(loadTestModel()));
    expect(declares(text, spec)).toBe(true);
    expect(declares(text.replaceAll("'", '"').replace(/^ +/gm, '\t'), spec)).toBe(true);
  });

  it('is another one for another model, and no other file passes for one', () => {
    const text = modelDeclaration(modelOf({ thing: entityText('thing', 'string', plain('int')) }));
    expect(declares(text, modelOf({ thing: entityText('thing', 'string', plain('float')) }))).toBe(false);
    expect(declares(text, modelOf({ thing: entityText('thing', 'int', plain('int')) }))).toBe(false);
    expect(declares('interface Model {}\n', loadTestModel())).toBeNull();
  });

  it('keeps names and descriptions inside their comments', () => {
    const [line] = modelDeclaration(
      modelOf({
        thing: entityText(
          'thing',
          'string',
          'a: { name: \'A */ evil\', description: "one\\ntwo", type: plain, data_type: int }',
        ),
      }),
    )
      .split('\n')
      .filter((each) => each.includes('evil'));
    expect(line?.trim()).toBe('/** A * / evil. one two */');
  });

  it('quotes names that are no identifiers', () => {
    expect(linesOf("a-b: { name: A, type: plain, data_type: 'dict<ä:int>' }")).toEqual([
      expect.stringContaining('"a-b": { given: { readonly "ä": number | bigint }'),
    ]);
  });
});
