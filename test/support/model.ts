/** The model that tests of tasks speak of: every kind of entity id, attribute and data type, names that are traps included. */
import { parse } from 'yaml';
import { loadSpec, type ModelSpec } from '../../lib/model/spec.js';

/** YAML by entity type, as files of `db_entities/` hold it. */
export const MODEL_YAML: Readonly<Record<string, string>> = {
  ip: `
entity: { id: ip, id_data_type: ipv4, name: IP address, snapshot: true, lifetime: { type: ttl, on_create: 1d } }
attribs:
  hostname: { name: Hostname, type: plain, data_type: string }
  open_ports: { name: Open ports, type: observations, data_type: array<int>, confidence: true, history_params: { max_age: 7d } }
  flows: { name: Flows, type: timeseries, timeseries_type: regular, timeseries_params: { max_age: 14d, time_step: 10m },
           series: { bytes: { data_type: int }, rate: { data_type: float } } }
`,
  host6: `
entity: { id: host6, id_data_type: ipv6, name: IPv6 host, snapshot: true }
attribs:
  name: { name: Name, type: plain, data_type: string }
  neighbours: { name: Neighbours, type: observations, data_type: set<link<host6>>, multi_value: true }
`,
  device: `
entity: { id: device, id_data_type: mac, name: Device, snapshot: true }
attribs:
  address: { name: Address, type: observations, data_type: 'link<ip, int; mirror=devices>' }
  as_path: { name: AS path, type: plain, data_type: array<link<asn>> }
`,
  asn: `
entity: { id: asn, id_data_type: int, name: AS, snapshot: false, lifetime: { type: weak } }
attribs:
  country: { name: Country, type: plain, data_type: 'category<string;CZ,DE,US>' }
  rank: { name: Rank, type: observations, data_type: 'category<int;1,2,3>' }
`,
  bus: `
entity: { id: bus, name: Bus, snapshot: true }
attribs:
  tag: { name: Tag, type: plain, data_type: tag }
  binary: { name: Binary, type: plain, data_type: binary }
  text: { name: Text, type: plain, data_type: string }
  int: { name: Int, type: observations, data_type: int }
  int64: { name: Int64, type: observations, data_type: int64 }
  float: { name: Float, type: observations, data_type: float }
  time: { name: Time, type: observations, data_type: time }
  ipv4: { name: IPv4, type: plain, data_type: ipv4 }
  ipv6: { name: IPv6, type: plain, data_type: ipv6 }
  mac: { name: MAC, type: plain, data_type: mac }
  json: { name: JSON, type: plain, data_type: json }
  special: { name: Special, type: plain, data_type: special }
  jsons: { name: JSONs, type: observations, data_type: array<json> }
  stops: { name: Stops, type: observations, data_type: array<string> }
  lines: { name: Lines, type: plain, data_type: set<int> }
  place: { name: Place, type: observations, data_type: 'dict<lat:float,lon:float,note?:string>' }
  jam: { name: Jam, type: timeseries, timeseries_type: irregular, timeseries_params: {}, series: { speed: { data_type: float } } }
  trips: { name: Trips, type: timeseries, timeseries_type: irregular_intervals, timeseries_params: {}, series: { seats: { data_type: int } } }
  __proto__: { name: A trap, type: plain, data_type: int }
  constructor: { name: Another, type: observations, data_type: int }
`,
};

export function loadTestModel(): ModelSpec {
  const files = Object.entries(MODEL_YAML).map(([etype, text]) => ({
    file: `${etype}.yml`,
    document: parse(text, { mapAsMap: true }) as unknown,
  }));
  const { spec, problems } = loadSpec(files);
  if (spec === null)
    throw new Error(problems.map(({ file, key, sentence }) => `${file} ${key}: ${sentence}`).join('\n'));
  return spec;
}
