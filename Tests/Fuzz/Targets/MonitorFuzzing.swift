import Glibc
import LinuxSystem
import MigrationModel
import QEMU

/// Plays a monitor that says the input, whatever it is asked, and then ends.
///
/// The size of a first part is the first byte times 16, so that messages are cut anywhere.
enum MonitorFuzzing {
    /// What a socket takes without anybody reading (socket(7), `wmem_default`), with room to spare.
    private static let limit = 64 << 10

    static func run(_ input: [UInt8]) throws(BrokenPromise) -> FuzzTarget.Outcome {
        guard let first = input.first, input.count <= limit else { return .refused }
        do throws(LivemigError) {
            let ends = try UnixSocket.pair(.stream).release()
            let peer = OwnedDescriptor(owning: ends.first)
            let mine = OwnedDescriptor(owning: ends.second)
            let text = input.dropFirst()
            let cut = min(Int(first) * 16, text.count)
            try DescriptorIO.write(Array(text.prefix(cut)), to: peer.number)
            try DescriptorIO.write(Array(text.dropFirst(cut)), to: peer.number)
            _ = shutdown(peer.number, CInt(SHUT_WR))
            return converse(mine)
        } catch {
            throw BrokenPromise("\(error)")
        }
    }

    private static func converse(_ socket: consuming OwnedDescriptor) -> FuzzTarget.Outcome {
        let deadline = MonotonicTime.now + .seconds(5)
        do throws(QMPError) {
            let connection = try QMPConnection(socket, at: "monitor", deadline: deadline)
            _ = connection.version.description
            _ = try refusable { () throws(QMPError) in
                try connection.execute(QueryMigrateCapabilities()).map(\.capability)
            }
            _ = try refusable { () throws(QMPError) in
                try connection.execute(QueryStatus()).status
            }
            try connection.awaitMigrationEvent(until: deadline)
            _ = connection.takeMigrationEvents()
            _ = try connection.execute(QueryMigrate()).errorDescription
            return .accepted
        } catch {
            _ = "\(error.livemigError)"
            return .refused
        }
    }

    /// A command that QEMU refuses ends nothing.
    private static func refusable<Value>(
        _ body: () throws(QMPError) -> Value
    ) throws(QMPError) -> Value? {
        do throws(QMPError) {
            return try body()
        } catch .refused {
            return nil
        }
    }
}
