import Glibc
import Hypervisor
import LinuxSystem
import MigrationModel
import WireProtocol

/// How large a VM's device state was when it was last saved or loaded on this host.
///
/// A hint for the reckoning of the next move: with the same devices it hardly changes. A file that is
/// missing, cannot be read or is out of range counts as none, and nothing is synced to disk.
enum DeviceStateSize {
    /// The size to reckon with: the one that was seen last, else that of experience.
    static func expected(in folder: MachineFolder) -> ByteCount {
        guard let file = try? PrivateFile.open(folder.deviceStateSize, O_RDONLY, as: .file),
            let text = try? DescriptorIO.readFully(upTo: 24, from: file.number),
            let size = UInt64(String(decoding: text, as: UTF8.self).prefix { $0 != "\n" }),
            (1...WireLimits.deviceState).contains(size)
        else { return DeviceStateEstimate.size }
        return ByteCount(size)
    }

    /// Keeps the size of a state that was seen.
    static func keep(_ size: UInt64, in folder: MachineFolder) {
        let new = folder.deviceStateSize + ".new"
        _ = unsafe unlink(new)
        guard let file = try? OwnedDescriptor.open(new, O_WRONLY | O_CREAT | O_EXCL),
            (try? DescriptorIO.write(Array("\(size)\n".utf8), to: file.number, at: new)) != nil,
            unsafe rename(new, folder.deviceStateSize) == 0
        else {
            _ = unsafe unlink(new)
            return
        }
    }
}
