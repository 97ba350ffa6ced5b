// What the model in db_entities is to the compiler: entity types, attributes and their values. Written by
// `npx dp3-cluster types`; change the model and run that again, not this file.
// dp3-cluster types 6180eb8566201294
import type { Instant } from 'dp3-cluster';

declare module 'dp3-cluster' {
  interface Model {
    /** HELO name */
    helo: {
      id: string;
      plain: {
        /** Relays. All relays that used it */
        relays: { given: readonly { readonly eid: string }[]; kept: readonly { readonly eid: string }[] };
      };
      observations: {
        /** Seen. A relay used the name; one row a mail */
        seen: { given: { readonly eid: string }; kept: { readonly eid: string } };
      };
      timeseries: {};
    };
    /** Mail relay */
    ip: {
      id: string;
      plain: {
        /** Host name. What the receiving site found for the address */
        hostname: { given: string; kept: string };
        /** Network */
        network: { given: { readonly eid: string }; kept: { readonly eid: string } };
        /** Score */
        score: { given: number; kept: number };
        /** Many names. The relay changes its name often */
        many_names: { given: boolean; kept: boolean };
      };
      observations: {
        /** HELO. How the relay introduced itself; confidence 1 where its host name is the same, else 0.5 */
        helo: { given: { readonly eid: string }; kept: { readonly eid: string } };
        /** Spam. A mail that is spam, by its name in the corpus */
        spam: { given: string; kept: string };
        /** Ham. A mail that is no spam; confidence 0.7 where that is hard to tell */
        ham: { given: string; kept: string };
        /** Names */
        names: { given: { readonly eid: string }; kept: { readonly eid: string } };
      };
      timeseries: {
        /** Mails per hour */
        traffic: {
          given: { readonly spam: readonly (number | bigint)[]; readonly ham: readonly (number | bigint)[] };
          kept: { readonly spam: readonly (number | bigint)[]; readonly ham: readonly (number | bigint)[] };
        };
      };
    };
    /** Network */
    network: {
      id: string;
      plain: {
        /** Reputation */
        reputation: {
          given: { readonly spam: number; readonly ham: number; readonly at: string | number; readonly score: number };
          kept: { readonly spam: number; readonly ham: number; readonly at: Instant; readonly score: number };
        };
      };
      observations: {
        /** Relays */
        relays: { given: { readonly eid: string }; kept: { readonly eid: string } };
        /** Spam */
        spam: { given: { readonly eid: string }; kept: { readonly eid: string } };
        /** Ham */
        ham: { given: { readonly eid: string }; kept: { readonly eid: string } };
      };
      timeseries: {};
    };
    /** Worker process */
    worker: {
      id: string | number | bigint;
      plain: {};
      observations: {};
      timeseries: {
        /** Throughput */
        throughput: {
          given: { readonly tasks: readonly (number | bigint)[]; readonly time_first: readonly (string | number)[]; readonly time_last: readonly (string | number)[] };
          kept: { readonly tasks: readonly (number | bigint)[]; readonly time_first: readonly Instant[]; readonly time_last: readonly Instant[] };
        };
      };
    };
  }
}
