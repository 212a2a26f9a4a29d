/**
 * Uploads the deployed code for API and workers: content-addressed packages that are never overwritten, and one pointer
 * that workers follow. Older packages are deleted at the end of a deployment, when nothing names them any more.
 * The caller decides what the packages contain.
 */
import * as storage from "@pulumi/azure-native/storage/index.js";
import * as pulumi from "@pulumi/pulumi";
import type { ReleasePointer } from "../../runtime/core/ports/release-reader.ts";
import { RELEASES } from "../../runtime/core/deployment/storage-layout.ts";
import type { AllowedNetworks, Place } from "./place.ts";
import { storageNetworkRules } from "./storage-network.ts";

export interface ReleasePackage {
  /** A ZIP on this machine. */
  readonly file: string;
  /** Of the ZIP, in hexadecimal. */
  readonly sha256: string;
}

export interface ReleaseArgs {
  readonly place: Place;
  readonly api: ReleasePackage;
  readonly worker: ReleasePackage;
  /** Who reaches the account: API and workers that download, and the machine that uploads. Undefined: any address. */
  readonly allowOnly: AllowedNetworks | undefined;
}

/** The maximum lifetime of a signature made with the account's key. Our code makes none. */
const SIGNATURES_MAX = "00.01:00:00";

/** Long enough to tell releases apart, short enough to read. */
const VERSION_LENGTH = 12;

export const versionOf = ({ sha256 }: Pick<ReleasePackage, "sha256">): string => sha256.slice(0, VERSION_LENGTH);

export class Release extends pulumi.ComponentResource {
  readonly accountName: pulumi.Output<string>;
  readonly containerId: pulumi.Output<string>;
  /** Address of the container, without a slash at the end. */
  readonly url: pulumi.Output<string>;
  readonly apiPackageUrl: pulumi.Output<string>;

  constructor(name: string, args: ReleaseArgs, options?: pulumi.ComponentResourceOptions) {
    super("jobyard:infra:Release", name, {}, options);
    const { resourceGroupName } = args.place;
    const child = { parent: this };

    // A separate account, because Pulumi uploads blobs with an account key, and the data account has none.
    const account = new storage.StorageAccount(
      `jobyard${name}`,
      {
        ...args.place,
        kind: storage.Kind.StorageV2,
        sku: { name: storage.SkuName.Standard_LRS },
        minimumTlsVersion: storage.MinimumTlsVersion.TLS1_2,
        enableHttpsTrafficOnly: true,
        allowBlobPublicAccess: false,
        allowSharedKeyAccess: true,
        allowCrossTenantReplication: false,
        defaultToOAuthAuthentication: true,
        isLocalUserEnabled: false,
        isSftpEnabled: false,
        allowedCopyScope: storage.AllowedCopyScope.AAD,
        sasPolicy: { sasExpirationPeriod: SIGNATURES_MAX, expirationAction: storage.ExpirationAction.Block },
        networkRuleSet: storageNetworkRules(args.allowOnly),
      },
      child,
    );
    const container = new storage.BlobContainer(
      `${name}-container`,
      {
        resourceGroupName,
        accountName: account.name,
        containerName: RELEASES.container,
        publicAccess: storage.PublicAccess.None,
      },
      child,
    );
    const at = { resourceGroupName, accountName: account.name, containerName: container.name };
    const upload = (program: "api" | "worker", { file, sha256 }: ReleasePackage): storage.Blob =>
      new storage.Blob(
        `${name}-${program}`,
        {
          ...at,
          blobName: packageBlob(program, sha256),
          contentType: "application/zip",
          source: new pulumi.asset.FileAsset(file),
        },
        child,
      );
    const api = upload("api", args.api);
    const worker = upload("worker", args.worker);
    const pointer: ReleasePointer = {
      version: versionOf(args.worker),
      blob: packageBlob("worker", args.worker.sha256),
      sha256: args.worker.sha256,
    };
    new storage.Blob(
      `${name}-worker-pointer`,
      {
        ...at,
        blobName: RELEASES.workerPointer,
        contentType: "application/json",
        source: new pulumi.asset.StringAsset(JSON.stringify(pointer)),
      },
      // A new text is a new blob with the same name. Deleting the old one afterwards would delete the new one.
      { ...child, dependsOn: [worker], deleteBeforeReplace: true },
    );

    this.accountName = account.name;
    this.containerId = container.id;
    this.url = pulumi.interpolate`https://${account.name}.blob.core.windows.net/${container.name}`;
    this.apiPackageUrl = api.url;
    this.registerOutputs({ url: this.url, apiPackageUrl: api.url });
  }
}

const packageBlob = (program: "api" | "worker", sha256: string): string => `${program}/${sha256}.zip`;
