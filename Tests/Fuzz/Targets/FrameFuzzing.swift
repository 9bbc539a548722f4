import FrameTransport
import MigrationModel
import TestSupport
import WireProtocol

/// Reads a connection to its end: greeting, frames, messages.
///
/// The first byte says how: 0 takes the rest as it is, 1 expects a greeting first, anything else
/// takes it as a script of frames. The size of each read is the second byte.
enum FrameFuzzing {
    static func run(_ input: [UInt8]) throws(BrokenPromise) -> FuzzTarget.Outcome {
        guard input.count >= 2 else { return .refused }
        let rest = input.dropFirst(2)
        let types = FrameType.allCases
        let stream =
            input[0] < 2
            ? Array(rest) : Script(rest).stream { types[Int($0) % types.count] }
        var channel = FrameChannel(
            MemoryChannel(stream, portion: Int(input[1])), at: "peer")
        do throws(LivemigError) {
            if input[0] == 1 { _ = try channel.receiveBanner() }
            while let frame = try channel.receive() { try check(frame) }
            return .accepted
        } catch {
            _ = "\(error)"
            guard error.code != .internal else { throw BrokenPromise("\(error)") }
            return .refused
        }
    }

    /// A message that is read is written again as it came.
    private static func check(_ frame: Frame) throws(LivemigError) {
        // An error code that this version does not know is replaced.
        let hasError = [.failure, .aborted, .runDrainHook, .guestMeasured, .machineList]
            .contains(frame.type)
        guard let again = try FrameMessages.rewrite(frame), !hasError else { return }
        guard again == frame.payload else {
            throw LivemigError(.internal, "\(frame.type) is not written as it was read")
        }
    }
}
