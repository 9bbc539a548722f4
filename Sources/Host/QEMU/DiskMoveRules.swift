public import MigrationModel

/// Which disks may belong to a guest that moves while it runs.
///
/// Two things can go wrong with a disk, and the cache mode decides both.
///
/// **Guest RAM.** Write tracking sees what is written through the hypervisor's page tables. A
/// buffered read copies from the page cache through them and is seen. A read with `O_DIRECT`
/// (`none`, `directsync`) pins the pages of guest RAM and lets the device fill them later: a page
/// that is harvested, and so write-protected again, between the pin and the end of the transfer is
/// written without a fault. Draining all block I/O at the final stop does not help, since the
/// harvest that lost the page was an earlier one and nothing tells which pages were pinned then.
/// Measured on Linux 6.18 with ext4, 256 KiB reads by four threads and a harvest every 2 ms: about
/// 1000 pages of 16 384 differed after the final harvest with `O_DIRECT`, none with buffered reads.
/// Read-only disks are read into guest RAM as well, so they are no exception.
///
/// **The image.** QEMU flushes every image when it stops the vCPUs and again before it gives up its
/// images at the end of the device state (`bdrv_flush_all` in `vm_stop`, `bdrv_inactivate_all`),
/// and the destination drops its cached pages of the image when it takes it over (`drop-cache`, on
/// Linux since QEMU 4.0). So `writeback` and `writethrough` are safe where both hosts see one file
/// system that is coherent after a flush: the same host, or a cluster file system. `unsafe` turns
/// those flushes off.
public enum DiskMoveRules {
    /// The mode of a disk whose definition names none: the page cache, with the guest's own flushes
    /// honoured, the fastest of the modes that can be moved.
    public static let defaultCache = VMDefinition.Disk.Cache.writeback

    /// The mode a disk runs with.
    public static func cache(of disk: VMDefinition.Disk) -> VMDefinition.Disk.Cache {
        disk.cache ?? defaultCache
    }

    /// Insists on a disk that a running guest can be moved with.
    /// - Throws: `E-CACHE` naming disk and mode, and what to write instead.
    public static func check(_ disk: VMDefinition.Disk) throws(LivemigError) {
        let cache = cache(of: disk)
        guard let reason = refusal(of: cache) else { return }
        throw LivemigError(
            .cache, "cache='\(cache.rawValue)' cannot be moved safely: \(reason)",
            at: "disk \(disk.target) (\(disk.path.escaped()))",
            fix: "write cache='writeback' or cache='writethrough' and restart the VM")
    }

    private static func refusal(of cache: VMDefinition.Disk.Cache) -> String? {
        switch cache {
        case .writeback, .writethrough: nil
        case .none, .directsync:
            "direct reads into guest RAM are not seen by write tracking"
        case .unsafe:
            "flushes are ignored, so the destination may read an old image"
        }
    }
}
