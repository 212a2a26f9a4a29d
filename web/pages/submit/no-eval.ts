/** The policy of the pages lets no code be made of text. Zod would try, which the browser's console then tells. */
import { config } from "zod";

config({ jitless: true });
