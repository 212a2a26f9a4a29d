/** Special values as Pulumi writes them between its processes. */
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const ASSET = "c44067f5952c0a294b673a41bacd8c17";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";

type Properties = Readonly<Record<string, unknown>>;

export const fileAsset = (path: string): Properties => ({ [SIGNATURE]: ASSET, path });
export const textAsset = (text: string): Properties => ({ [SIGNATURE]: ASSET, text });
/** As the engine asks for differences. */
export const hashedAsset = (hash: string): Properties => ({ [SIGNATURE]: ASSET, hash });
export const secret = (value: unknown): Properties => ({ [SIGNATURE]: SECRET, value });
