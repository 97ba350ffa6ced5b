/**
 * Types of the model: what entity types, attributes and values there are, as far as the compiler knows it. It knows nothing (every name
 * and value compiles) until the file that `dp3-cluster types` writes is part of the program: that one fills the interface `Model`.
 *
 * Filled from outside, because then a module imports nothing and names nothing: `defineModule({...})` is the same with and without
 * types. Refused: a type parameter of defineModule (each module and each helper would have to hand it on).
 */
import type { DataPoint } from '../model/datapoint.js';
import type { HistoryRow, HistorySummary, PlainValue } from '../model/record.js';
import type { Task } from '../model/task.js';
import type { Instant } from '../model/time.js';

/**
 * By entity type: `id`, what may be given for an id; then by attribute `plain`, `observations` and `timeseries`, each attribute with what
 * may be `given` for a value and the form in which it is `kept`. Filled by the file that `dp3-cluster types` writes.
 */
export interface Model {
  readonly [own]?: never;
}

/** Keeps the interface from being empty, which would take anything for a model. */
declare const own: unique symbol;

export type AttributeKind = 'plain' | 'observations' | 'timeseries';

/** Names of entity types; any text while the model is not known. */
export type EntityType = [keyof Model & string] extends [never] ? string : keyof Model & string;

/** What may be given for the id of an entity. It is kept as text. */
export type EntityId<E> = E extends keyof Model
  ? Model[E] extends { readonly id: infer Id extends string | number | bigint }
    ? Id
    : never
  : string | number | bigint;

/** By attribute: its types. */
type Attributes<E, K extends AttributeKind> = E extends keyof Model
  ? Model[E] extends { readonly [kind in K]: infer Of }
    ? Of
    : never
  : { readonly [attr: string]: unknown };

/** Names of the attributes of a kind. */
export type AttributeOf<E, K extends AttributeKind> = keyof Attributes<E, K> & string;

type TypesOf<E, K extends AttributeKind, A> = A extends keyof Attributes<E, K> ? Attributes<E, K>[A] : unknown;
type GivenValueOf<E, K extends AttributeKind, A> = TypesOf<E, K, A> extends { readonly given: infer V } ? V : unknown;
type Kept<E, K extends AttributeKind, A> = TypesOf<E, K, A> extends { readonly kept: infer V } ? V : unknown;

/** A point in time as authors write it: a Date, ISO 8601 text, or seconds since 1970 (milliseconds above 2e10). */
export type TimeInput = Date | Instant | string | number;

/** Where a value comes from, as a data-point that a hook received has it; null and undefined for nothing. */
type PointSource = string | null | undefined;

/** A data-point as authors write it; the entity is that of its task. */
export type NewDataPoint<E extends EntityType = EntityType> = E extends keyof Model
  ? NewPlain<E> | NewObservation<E> | NewTimeseriesChunk<E>
  : NewPointOfAny;

/** Of an attribute of any kind. */
interface NewPointOfAny {
  readonly attr: string;
  readonly v: unknown;
  /** Needed for observations and time series: when the value began to be valid. */
  readonly t1?: TimeInput | null;
  /** Until when; t1 for observations and the end of the series for time series where it is left out. */
  readonly t2?: TimeInput | null;
  /** Confidence, 0 to 1; 1 where it is left out. */
  readonly c?: number;
  readonly src?: PointSource;
}

/** A value with the name of its attribute, so that the name decides what the value must be. */
type Named<E, K extends AttributeKind> = {
  readonly [A in AttributeOf<E, K>]: {
    readonly attr: A;
    readonly v: GivenValueOf<E, K, A>;
    readonly src?: PointSource;
  };
}[AttributeOf<E, K>];

type NewPlain<E> = Named<E, 'plain'>;

type NewObservation<E> = Named<E, 'observations'> & {
  /** When the value began to be valid. */
  readonly t1: TimeInput;
  /** Until when; t1 where it is left out. */
  readonly t2?: TimeInput | null;
  /** Confidence, 0 to 1; 1 where it is left out. */
  readonly c?: number;
};

type NewTimeseriesChunk<E> = Named<E, 'timeseries'> & {
  /** When the series begins. */
  readonly t1: TimeInput;
  /** When it ends; where its last item does when it is left out. */
  readonly t2?: TimeInput | null;
};

/** A data-point as hooks get it: checked, in canonical form. */
export type ReceivedPoint<E, K extends AttributeKind, A> = DataPoint & {
  readonly etype: E;
  readonly attr: A;
  readonly v: Kept<E, K, A>;
  readonly t1: K extends 'plain' ? null : Instant;
  readonly t2: K extends 'plain' ? null : Instant;
};

type ReceivedOf<E, K extends AttributeKind> = {
  readonly [A in AttributeOf<E, K>]: ReceivedPoint<E, K, A>;
}[AttributeOf<E, K>];

/** Names of all attributes. */
export type AnyAttribute<E> = AttributeOf<E, 'plain'> | AttributeOf<E, 'observations'> | AttributeOf<E, 'timeseries'>;

/** What may be given for a value of an attribute of any kind. */
export type GivenOf<E, A> =
  A extends AttributeOf<E, 'plain'>
    ? GivenValueOf<E, 'plain', A>
    : A extends AttributeOf<E, 'observations'>
      ? GivenValueOf<E, 'observations', A>
      : GivenValueOf<E, 'timeseries', A>;

/** A value as the record held it. */
export type PreviousValue<E = EntityType, K extends AttributeKind = AttributeKind, A = string> = K extends 'plain'
  ? { readonly v: Kept<E, K, A>; readonly ts: Instant }
  : { readonly v: Kept<E, K, A>; readonly t1: Instant; readonly t2: Instant; readonly c: number };

/** A task as hooks get it: `etype` tells the data-points apart, `attr` their values. */
export type ReceivedTask<E extends EntityType = EntityType> = E extends keyof Model
  ? Omit<Task, 'etype' | 'dataPoints'> & {
      readonly etype: E;
      readonly dataPoints: readonly (
        | ReceivedOf<E, 'plain'>
        | ReceivedOf<E, 'observations'>
        | ReceivedOf<E, 'timeseries'>
      )[];
    }
  : Task;

/** What a record keeps of an attribute with history: how many rows there are and the newest of them. */
type Summary<A, V> = Omit<HistorySummary, 'newest'> & {
  readonly newest: HistoryRow & { readonly attr: A; readonly v: V };
};

/** The record of an entity as hooks see it: frozen, dictionaries without prototype, by attribute name. */
export type EntityRecord<E extends EntityType = EntityType> = E extends string
  ? {
      readonly etype: E;
      readonly eid: string;
      readonly created: Instant;
      readonly updated: Instant;
      readonly ttlTokens: Readonly<Record<string, Instant>>;
      readonly plain: {
        readonly [A in AttributeOf<E, 'plain'>]?: PlainValue & { readonly v: Kept<E, 'plain', A> };
      };
      /** How many rows there are and the newest of them; the rows themselves stand in the store. */
      readonly observations: {
        readonly [A in AttributeOf<E, 'observations'>]?: Summary<A, Kept<E, 'observations', A>>;
      };
      readonly timeseries: {
        readonly [A in AttributeOf<E, 'timeseries'>]?: Summary<A, Kept<E, 'timeseries', A>>;
      };
    }
  : never;
