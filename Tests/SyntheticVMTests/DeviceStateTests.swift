import MigrationModel
import Testing

@testable import SyntheticVM

@Suite struct DeviceStateTests {
    static func parameters(_ more: String = "") throws -> WorkloadParameters {
        try WorkloadParameters(
            parsing: "writers=2 state=8KiB " + more, memory: .mebibytes(2))
    }

    static func state() -> DeviceState {
        var heartbeat = Heartbeat()
        (heartbeat.count, heartbeat.time, heartbeat.pagesRewritten) = (5, 6, 7)
        return DeviceState(rate: .unlimited, heartbeat: heartbeat, steps: [12, .max])
    }

    /// Breaks when a field is lost on the way, or the state is not of the size asked for.
    @Test func survivesTheWay() throws {
        let parameters = try Self.parameters()
        let bytes = Self.state().encoded(parameters, vcpus: 4)
        #expect(bytes.count == 8192)
        #expect(try DeviceState(decoding: bytes, parameters, vcpus: 4) == Self.state())
    }

    /// Breaks when a state with one changed bit is taken for a sound one.
    @Test func refusesEveryFlippedBit() throws {
        let parameters = try Self.parameters()
        let sound = Self.state().encoded(parameters, vcpus: 4)
        for index in stride(from: 0, to: sound.count, by: 7) {
            var bytes = sound
            bytes[index] ^= 1 << (index % 8)
            let error = #expect(throws: LivemigError.self) {
                _ = try DeviceState(decoding: bytes, parameters, vcpus: 4)
            }
            #expect(error?.code == .deviceState)
        }
    }

    /// Breaks when a state that is too short or too long is read all the same.
    @Test(arguments: [0, 1, 8, 8191, 8193, 16384]) func refusesLength(_ count: Int) throws {
        let parameters = try Self.parameters()
        var bytes = Self.state().encoded(parameters, vcpus: 4)
        bytes = Array((bytes + bytes).prefix(count))
        let error = #expect(throws: LivemigError.self) {
            _ = try DeviceState(decoding: bytes, parameters, vcpus: 4)
        }
        #expect(error?.what.contains(count < 8192 ? "truncated" : "oversized") == true)
    }

    /// Breaks when a guest accepts the state of a guest that was started otherwise.
    @Test(arguments: ["seed=2", "zero=3", "content=text", "change=slice", "fill=512KiB"])
    func refusesAnotherGuest(_ difference: String) throws {
        let bytes = Self.state().encoded(try Self.parameters(), vcpus: 4)
        let error = #expect(throws: LivemigError.self) {
            _ = try DeviceState(decoding: bytes, Self.parameters(difference), vcpus: 4)
        }
        let name = difference.split(separator: "=")[0]
        #expect(error?.what.contains(name) == true)
        #expect(throws: LivemigError.self) {
            _ = try DeviceState(decoding: bytes, Self.parameters(), vcpus: 3)
        }
    }
}
