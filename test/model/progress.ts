/**
 * What happens when nothing fails any more: from every state, every run must end, and must end done. A run that can go
 * round in circles, or stop anywhere else, is a job that is never finished.
 */

/** Steps that are no faults, as pairs of state numbers. */
export class EdgeList {
  #from = new Uint32Array(1 << 16);
  #to = new Uint32Array(1 << 16);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(from: number, to: number): void {
    if (this.#count === this.#from.length) {
      this.#from = grown(this.#from);
      this.#to = grown(this.#to);
    }
    this.#from[this.#count] = from;
    this.#to[this.#count++] = to;
  }

  from(edge: number): number {
    return this.#from[edge] ?? 0;
  }

  to(edge: number): number {
    return this.#to[edge] ?? 0;
  }
}

function grown(numbers: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(numbers.length * 2);
  larger.set(numbers);
  return larger;
}

export interface Stall {
  readonly text: string;
  /** States from the stalled one to where it ends, or round the circle once. */
  readonly path: readonly number[];
}

export function checkProgress(
  stateCount: number,
  edges: EdgeList,
  isDone: (state: number) => boolean,
): Stall | undefined {
  const stepsLeft = new Int32Array(stateCount);
  for (let edge = 0; edge < edges.count; edge++) stepsLeft[edges.from(edge)]! += 1;
  const incoming = indexByTarget(stateCount, edges);

  // Peels states all of whose steps lead to peeled ones. What is never peeled can go round for ever.
  const peeled = new Uint8Array(stateCount);
  const ready: number[] = [];
  for (let state = 0; state < stateCount; state++) {
    if (stepsLeft[state] !== 0) continue;
    if (!isDone(state)) return { text: "stalled: nothing more can happen, and it is not done", path: [state] };
    ready.push(state);
  }
  for (let state = ready.pop(); state !== undefined; state = ready.pop()) {
    peeled[state] = 1;
    for (let edge = incoming.head[state]!; edge >= 0; edge = incoming.next[edge]!) {
      const from = edges.from(edge);
      stepsLeft[from]! -= 1;
      if (stepsLeft[from] === 0) ready.push(from);
    }
  }
  const first = peeled.indexOf(0);
  if (first < 0) return undefined;
  return { text: "stalled: it can go round for ever without another fault", path: circleFrom(first, peeled, edges) };
}

/** For each state the edges that lead to it, as linked lists. */
function indexByTarget(stateCount: number, edges: EdgeList): { head: Int32Array; next: Int32Array } {
  const head = new Int32Array(stateCount).fill(-1);
  const next = new Int32Array(edges.count);
  for (let edge = 0; edge < edges.count; edge++) {
    next[edge] = head[edges.to(edge)]!;
    head[edges.to(edge)] = edge;
  }
  return { head, next };
}

/** Walks along unpeeled states, each of which has an unpeeled successor, until one is met again. */
function circleFrom(start: number, peeled: Uint8Array, edges: EdgeList): number[] {
  const successor = new Map<number, number>();
  for (let edge = 0; edge < edges.count; edge++) {
    if (peeled[edges.from(edge)] === 0 && peeled[edges.to(edge)] === 0) {
      successor.set(edges.from(edge), edges.to(edge));
    }
  }
  const path = [start];
  const seen = new Set(path);
  for (let at = successor.get(start); at !== undefined; at = successor.get(at)) {
    path.push(at);
    if (seen.has(at)) break;
    seen.add(at);
  }
  return path;
}
