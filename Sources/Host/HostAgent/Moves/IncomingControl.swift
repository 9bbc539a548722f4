import Glibc
import LinuxSystem
import MigrationModel

/// Tells a destination that waits for its source that the controller has gone.
///
/// Until the source has come, only the controller knows whether it ever will; after that the source
/// itself is the one that is listened to.
final class IncomingControl: Sendable {
    private let reading: OwnedDescriptor
    private let writing: OwnedDescriptor

    init() throws(LivemigError) {
        let pipe = try OwnedDescriptor.pipe().release()
        reading = OwnedDescriptor(owning: pipe.first)
        writing = OwnedDescriptor(owning: pipe.second)
    }

    /// Polls readable once the controller has gone; valid while this object lives.
    var descriptor: CInt { reading.number }

    /// Whether the controller is still there.
    var isWanted: Bool {
        let ready = try? Poll.wait([.init(descriptor)], timeout: .zero)
        return ready?.isEmpty ?? true
    }

    /// The controller has gone.
    func giveUp() {
        var byte: UInt8 = 0
        _ = unsafe write(writing.number, &byte, 1)
    }
}
