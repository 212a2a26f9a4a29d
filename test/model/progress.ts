/**
 * Checks progress without further faults: from every state, every run must end, and end in a done state. A run that can
 * loop, or stop elsewhere, is a job that never finishes.
 */

/** Steps without a fault, as pairs of state numbers. */
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
  /** States from the stalled one to its end, or once around the loop. */
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

  // Removes states whose steps all lead to removed ones. States that remain can loop forever.
  const peeled = new Uint8Array(stateCount);
  const ready: number[] = [];
  for (let state = 0; state < stateCount; state++) {
    if (stepsLeft[state] !== 0) continue;
    if (!isDone(state)) return { text: "stalled: nothing more can happen, but the state is not done", path: [state] };
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
  return { text: "stalled: it can loop forever without another fault", path: circleFrom(first, peeled, edges) };
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

/** Walks along remaining states, each of which has a remaining successor, until one repeats. */
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
