import LinuxSystem
import MigrationModel
import Synchronization
import Testing

@testable import Orchestrator

@Suite("Which hosts answer")
struct HostContactTests {
    private static func host(_ name: String) throws -> HostRecord {
        HostRecord(name: try HostName(name), address: "192.0.2.1", hostKeys: [])
    }

    private static let silence = LivemigError(.connect, "no answer", at: "gamma")

    // Breaks when those who need a silent host at the same time, or later, each try it.
    @Test("many who need a silent host try it once")
    func once() async throws {
        let (contacts, gamma) = (HostContacts(), try Self.host("gamma"))
        let attempts = Counter()
        let codes = await withTaskGroup(of: ErrorCode?.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    do throws(LivemigError) {
                        try await contacts.open(gamma) { _ async throws(LivemigError) in
                            attempts.add()
                            for _ in 0..<50 { await Task.yield() }
                            throw Self.silence
                        }
                        return nil
                    } catch {
                        return error.code
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(codes == Array(repeating: .connect, count: 8))
        #expect(attempts.count == 1)
    }

    // Breaks when a request that was given up here makes a host pass for silent.
    @Test("what was given up says nothing of the host")
    func givenUp() async throws {
        let (contacts, gamma) = (HostContacts(), try Self.host("gamma"))
        await #expect(throws: LivemigError.self) {
            try await contacts.open(gamma) { _ async throws(LivemigError) in
                throw LivemigError(.cancelled, "given up")
            }
        }
        let value = try await contacts.open(gamma) { _ in 7 }
        #expect(value == 7)
        // A host that has answered is tried by everybody who needs it.
        await #expect(throws: LivemigError.self) {
            try await contacts.open(gamma) { _ async throws(LivemigError) in throw Self.silence }
        }
    }

    // Breaks when hosts that say nothing are waited for though the others' answers are enough, or
    // when one that answers in time does not count.
    @Test("what is enough is waited for, and no more")
    func enough() async throws {
        let hosts = [try Self.host("alpha"), try Self.host("beta"), try Self.host("gamma")]
        let answers = await ask(hosts, until: { $0.compactMap(\.value).contains("alpha") }) {
            host async throws(LivemigError) -> String in
            if host.name.text == "gamma" { try? await Task.sleep(for: .seconds(3600)) }
            return host.name.text
        }
        #expect(answers.map(\.value) == ["alpha", "beta", nil])
        #expect(answers.last?.error?.code == .stall)
        let all = await ask(hosts, until: { _ in false }) {
            host async throws(LivemigError) -> String in host.name.text
        }
        #expect(all.compactMap(\.value) == ["alpha", "beta", "gamma"])
    }
}

/// How often something has happened.
private final class Counter: Sendable {
    private let value = Atomic(0)

    var count: Int { value.load(ordering: .relaxed) }

    func add() { value.wrappingAdd(1, ordering: .relaxed) }
}
