/**
 * Draws the sample images to `data`, in three formats and many shapes. The result is always the same. Run it after changing
 * a scene: npm run generate-images -w thumbnails
 */
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";

const DATA = join(import.meta.dirname, "../data");

/** A small random generator (mulberry32), so that images depend only on their seed. */
function randomFrom(seed) {
  let state = seed;
  return (low, high) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return low + (((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * (high - low);
  };
}

const hsl = (hue, saturation, lightness) => `hsl(${Math.round(hue) % 360},${saturation}%,${lightness}%)`;
const range = (count) => Array.from({ length: count }, (_, index) => index);
const gradient = (id, from, to) =>
  `<linearGradient id="${id}" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="${from}"/><stop offset="1" stop-color="${to}"/></linearGradient>`;

/** Each scene draws into w × h, in colours around one hue. */
const scenes = {
  mountains({ w, h, hue, random }) {
    const ridge = (level) => {
      const points = range(13).map((i) => `${(i * w) / 12},${h * (0.32 + level * 0.16) + random(-0.08, 0.08) * h}`);
      return `<polygon points="0,${h} ${points.join(" ")} ${w},${h}" fill="${hsl(hue + level * 12, 45, 62 - level * 14)}"/>`;
    };
    return `<defs>${gradient("s", hsl(hue + 150, 70, 85), hsl(hue + 180, 80, 68))}</defs><rect width="${w}" height="${h}" fill="url(#s)"/>
      <circle cx="${w * 0.72}" cy="${h * 0.24}" r="${h * 0.09}" fill="#fff6d8"/>${range(4).map(ridge).join("")}`;
  },
  waves({ w, h, hue, random }) {
    const wave = (i) => {
      const y = (h * (i + 2)) / 10;
      const bend = random(0.04, 0.1) * h;
      return `<path d="M0 ${y} Q ${w * 0.25} ${y - bend} ${w * 0.5} ${y} T ${w} ${y} V ${h} H 0 Z" fill="${hsl(hue + i * 5, 65, 82 - i * 7)}"/>`;
    };
    return `<rect width="${w}" height="${h}" fill="${hsl(hue, 60, 92)}"/>${range(8).map(wave).join("")}`;
  },
  bubbles({ w, h, hue, random }) {
    const bubble = () =>
      `<circle cx="${random(0, w)}" cy="${random(0, h)}" r="${random(0.03, 0.16) * Math.min(w, h)}" fill="${hsl(hue + random(-50, 50), 75, 62)}" fill-opacity="0.55"/>`;
    return `<defs>${gradient("b", hsl(hue, 60, 24), hsl(hue + 40, 60, 44))}</defs><rect width="${w}" height="${h}" fill="url(#b)"/>${range(28).map(bubble).join("")}`;
  },
  night({ w, h, hue, random }) {
    const blue = 215 + (hue % 50);
    const star = () =>
      `<circle cx="${random(0, w)}" cy="${random(0, h * 0.75)}" r="${random(0.6, 2.4)}" fill="#fff" fill-opacity="${random(0.4, 1)}"/>`;
    const house = (i) => {
      const height = random(0.1, 0.3) * h;
      const x = (i * w) / 9;
      return `<rect x="${x}" y="${h - height}" width="${w / 9 - 2}" height="${height}" fill="${hsl(blue, 35, 11)}"/>
        <rect x="${x + w * 0.03}" y="${h - height * 0.7}" width="${w * 0.025}" height="${height * 0.2}" fill="#ffd98a"/>`;
    };
    return `<defs>${gradient("n", hsl(blue, 60, 10), hsl(blue + 30, 55, 36))}</defs><rect width="${w}" height="${h}" fill="url(#n)"/>
      ${range(60).map(star).join("")}<circle cx="${w * 0.2}" cy="${h * 0.25}" r="${Math.min(w, h) * 0.08}" fill="#fdf3d0"/>${range(9).map(house).join("")}`;
  },
  rosette({ w, h, hue }) {
    const petal = (i) =>
      `<ellipse cx="${w / 2}" cy="${h / 2 - h * 0.2}" rx="${w * 0.07}" ry="${h * 0.2}" fill="${hsl(hue + i * 15, 70, 58)}" fill-opacity="0.6" transform="rotate(${i * 22.5} ${w / 2} ${h / 2})"/>`;
    return `<rect width="${w}" height="${h}" fill="${hsl(hue + 180, 35, 93)}"/>${range(16).map(petal).join("")}<circle cx="${w / 2}" cy="${h / 2}" r="${Math.min(w, h) * 0.06}" fill="${hsl(hue, 80, 40)}"/>`;
  },
  tiles({ w, h, hue, random }) {
    const size = Math.max(w, h) / 12;
    const tile = (i) => {
      const [x, y] = [(i % 12) * size, Math.floor(i / 12) * size];
      const corner = Math.floor(random(0, 4));
      const [cx, cy] = [x + (corner % 2) * size, y + Math.floor(corner / 2) * size];
      return `<rect x="${x}" y="${y}" width="${size}" height="${size}" fill="${hsl(hue + random(-20, 20), 50, 88)}"/>
        <clipPath id="c${i}"><rect x="${x}" y="${y}" width="${size}" height="${size}"/></clipPath>
        <circle cx="${cx}" cy="${cy}" r="${size}" fill="${hsl(hue + random(-40, 40), 60, 55)}" clip-path="url(#c${i})"/>`;
    };
    return range(144).map(tile).join("");
  },
  sunset({ w, h, hue }) {
    const red = hue % 30;
    const glow = (i) =>
      `<circle cx="${w / 2}" cy="${h * 0.62}" r="${(8 - i) * 0.09 * h}" fill="${hsl(red + i * 6, 90, 54 + i * 5)}" fill-opacity="0.35"/>`;
    const ray = (i) =>
      `<rect x="${w * (0.36 + i * 0.012)}" y="${h * (0.66 + i * 0.045)}" width="${w * (0.28 - i * 0.024)}" height="${h * 0.012}" fill="#ffe9b0" fill-opacity="0.75"/>`;
    return `<defs>${gradient("u", hsl(red + 260, 50, 30), hsl(red, 85, 60))}</defs><rect width="${w}" height="${h}" fill="url(#u)"/>
      ${range(8).map(glow).join("")}<rect y="${h * 0.64}" width="${w}" height="${h * 0.36}" fill="${hsl(red + 230, 45, 22)}" fill-opacity="0.85"/>${range(8).map(ray).join("")}`;
  },
  ribbons({ w, h, hue, random }) {
    const ribbon = (i) => {
      const x = (w * (i - 1)) / 7;
      const shift = random(-0.25, 0.25) * w;
      return `<path d="M${x} 0 C ${x + shift} ${h * 0.35} ${x - shift} ${h * 0.65} ${x + shift / 2} ${h} H ${x + shift / 2 + w / 8} C ${x - shift + w / 8} ${h * 0.65} ${x + shift + w / 8} ${h * 0.35} ${x + w / 8} 0 Z" fill="${hsl(hue + i * 22, 68, 60)}" fill-opacity="0.8"/>`;
    };
    return `<rect width="${w}" height="${h}" fill="${hsl(hue, 30, 16)}"/>${range(10).map(ribbon).join("")}`;
  },
};

const shapes = [
  [640, 480],
  [480, 640],
  [800, 450],
  [512, 512],
  [900, 300],
  [300, 700],
  [720, 540],
];
const formats = [
  ["jpg", (image) => image.jpeg({ quality: 80, mozjpeg: true })],
  ["png", (image) => image.png({ palette: true, colours: 64, compressionLevel: 9 })],
  ["webp", (image) => image.webp({ quality: 80 })],
];

const draw = (scene, w, h, hue, seed) =>
  sharp(
    Buffer.from(
      `<svg xmlns="http://www.w3.org/2000/svg" width="${w}" height="${h}">${scenes[scene]({ w, h, hue, random: randomFrom(seed) })}</svg>`,
    ),
  );

await mkdir(DATA, { recursive: true });
for (const name of await readdir(DATA)) await rm(join(DATA, name));

let count = 0;
for (const scene of Object.keys(scenes)) {
  for (const [index, [ending, encode]] of formats.entries()) {
    const [w, h] = shapes[count % shapes.length];
    await encode(draw(scene, w, h, (count * 47) % 360, count + 1)).toFile(
      join(DATA, `${scene}-${index + 1}.${ending}`),
    );
    count++;
  }
}

// A photograph from a camera held upright: the pixels are rotated, and a tag (6) records that. Turned upright it is
// 480 × 640, and its top left corner is red.
const marker = { input: { create: { width: 80, height: 80, channels: 3, background: "#e00000" } }, left: 0, top: 0 };
const upright = await draw("mountains", 480, 640, 200, 99).composite([marker]).png().toBuffer();
await sharp(upright)
  .rotate(270)
  .jpeg({ quality: 85 })
  .withMetadata({ orientation: 6 })
  .toFile(join(DATA, "camera-held-upright.jpg"));
