import Glibc
import LinuxSystem
import MigrationModel
import Synchronization

/// SIGINT, SIGTERM and SIGHUP as events, instead of the program's end.
///
/// The handler writes a byte to a pipe, the only thing that is safe in one (signal-safety(7)).
enum Interrupts {
    /// Where the handler writes; below 0 before there is a pipe.
    private static let end = Atomic<CInt>(-1)

    /// Catches the signals from now on.
    /// - Returns: an element for each signal.
    static func stream() throws(LivemigError) -> AsyncStream<Void> {
        let pipe = try OwnedDescriptor.pipe().release()
        end.store(pipe.second, ordering: .sequentiallyConsistent)
        let (stream, supply) = AsyncStream<Void>.makeStream()
        _ = WorkerThread("signals") {
            let input = OwnedDescriptor(owning: pipe.first)
            var byte: UInt8 = 0
            while true {
                let count = try SystemCall.check("read") { unsafe read(input.number, &byte, 1) }
                guard count == 1 else { return }
                supply.yield()
            }
        }
        for number in [SIGINT, SIGTERM, SIGHUP] { _ = signal(number, handler) }
        return stream
    }

    private static let handler: @convention(c) (CInt) -> Void = { _ in
        let saved = errno
        var byte: UInt8 = 1
        _ = unsafe write(end.load(ordering: .sequentiallyConsistent), &byte, 1)
        errno = saved
    }
}
