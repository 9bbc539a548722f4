import MigrationModel
import Ownership
import Testing
import WireProtocol

@testable import Commands
@testable import Orchestrator

@Suite("Before a move")
struct MovePlanTests {
    private static func refusal(
        _ source: MoveSide, _ destination: MoveSide, keepPaused: Bool = false
    ) throws -> ErrorCode? {
        var policy = MigrationPolicy()
        policy.keepPaused = keepPaused
        do throws(LivemigError) {
            _ = try MovePlan(
                moving: VMName("web1"), from: source, to: destination, policy: policy)
            return nil
        } catch {
            return error.code
        }
    }

    // Breaks when a move is begun that cannot end well, or one is refused that can.
    @Test("each reason to refuse has its code")
    func refusals() throws {
        let source = try side("alpha", [machine()])
        let free = try side("beta")
        #expect(try Self.refusal(source, free) == nil)
        #expect(try Self.refusal(source, side("beta", identity: "alpha")) == .sameHost)
        #expect(try Self.refusal(side("alpha"), free) == .noVM)
        #expect(try Self.refusal(side("alpha", [machine(.stopped)]), free) == .notRunning)
        #expect(try Self.refusal(side("alpha", [machine(.paused)]), free) == .paused)
        #expect(try Self.refusal(side("alpha", [machine(.paused)]), free, keepPaused: true) == nil)
        #expect(try Self.refusal(side("alpha", [machine(.inTransfer)]), free) == .inTransfer)
        #expect(try Self.refusal(side("alpha", [machine(.unknown)]), free) == .vmState)
        #expect(try Self.refusal(source, side("beta", [machine(name: "x")])) == .duplicateVM)
        #expect(try Self.refusal(source, side("beta", [machine(uuid: 2)])) == .duplicateVM)
        #expect(try Self.refusal(source, side("beta", [machine(name: "x", uuid: 2)])) == nil)
        #expect(try Self.refusal(side("alpha", [machine()], canTrack: false), free) == .kernel)
        #expect(try Self.refusal(side("alpha", damaged: [damage()]), free) == .journalCorrupt)
        #expect(
            try Self.refusal(source, side("beta", damaged: [damage()])) == .journalCorrupt)
        #expect(
            try Self.refusal(source, side("beta", damaged: [damage("x", uuid: 1)]))
                == .journalCorrupt)
        #expect(try Self.refusal(source, side("beta", damaged: [damage("x", uuid: 2)])) == nil)
        #expect(try Self.refusal(source, side("beta", free: .mebibytes(4095))) == .memory)
        #expect(try Self.refusal(source, side("beta", free: .mebibytes(4096))) == nil)
        #expect(try Self.refusal(side("alpha", [machine(right: "INT")]), free) == .busy)
        let copy = machine(.paused, right: "ARM")
        #expect(try Self.refusal(source, side("beta", [copy])) == .busy)
        let dead = machine(.stopped, right: "ARM")
        #expect(try Self.refusal(source, side("beta", [dead])) == .duplicateVM)
        let last = machine(epoch: .max)
        #expect(try Self.refusal(side("alpha", [last]), free) == .internal)
    }

    // Breaks when the lack of memory does not say how much, or ends with another exit code.
    @Test("the lack of memory says what is needed and what is free")
    func memory() throws {
        let error = try #require(throws: LivemigError.self) {
            _ = try MovePlan(
                moving: VMName("web1"), from: side("alpha", [machine()]),
                to: side("beta", free: .mebibytes(1024)), policy: MigrationPolicy())
        }
        #expect(error.what == "needs 4.0 GiB, free 1.0 GiB")
        #expect(error.code.exitCode == .resources)
    }
}

@Suite("Empty hosts")
struct EmptyHostTests {
    // Breaks when a host is called empty although nobody knows whether a VM of it runs.
    @Test("a VM that cannot be read keeps a host from being empty")
    func damaged() throws {
        let alpha = try HostName("alpha")
        let off = [machine(.stopped)]
        try HostControl.requireNoGuests(off, [], on: alpha)
        let error = try #require(throws: LivemigError.self) {
            try HostControl.requireNoGuests(off, [damage("web2")], on: alpha)
        }
        #expect(error.code == .notEmpty)
        #expect(error.what == "alpha is not empty: web2 cannot be read (E-JOURNAL-CORRUPT)")
        let both = try #require(throws: LivemigError.self) {
            try HostControl.requireNoGuests([machine()], [damage("web2")], on: alpha)
        }
        #expect(both.what.hasPrefix("alpha is not empty: web1 is running, web2 cannot be read"))
    }
}

@Suite("Finding a VM")
struct VMSearchTests {
    private static func find(
        _ answers: [(String, Result<[MachineSummary], LivemigError>)],
        damaged: [String: DamagedMachine] = [:]
    ) throws -> String {
        let answers = try answers.map { host, result in
            HostAnswer(
                try hostRecord(host),
                result.map { MachineList($0, damaged: damaged[host].map { [$0] } ?? []) })
        }
        return answers[try VMSearch.find(VMName("web1"), in: answers).index].host.name.text
    }

    private static let refused = LivemigError(.connect, "refused")

    // Breaks when a VM is looked for on the wrong host, or a silent host hides one that answers.
    @Test("the host that has the VM is found")
    func found() throws {
        #expect(try Self.find([("a", .success([])), ("b", .success([machine()]))]) == "b")
        #expect(
            try Self.find([("a", .failure(Self.refused)), ("b", .success([machine()]))]) == "b")
        #expect(
            try Self.find([
                ("a", .success([machine(.stopped, right: "GONE")])), ("b", .success([machine()])),
            ]) == "b")
    }

    // Breaks when one of two owners is chosen, which may be the wrong one.
    @Test("a VM that two hosts own is on neither")
    func claimed() throws {
        let error = try #require(throws: LivemigError.self) {
            _ = try Self.find([
                ("a", .success([machine(.stopped)])), ("b", .success([machine()])),
            ])
        }
        #expect(error.code == .internal)
        #expect(error.what.contains("a (epoch 6) and b (epoch 6)"), "\(error)")
    }

    // Breaks when a copy that waits for its right to run is taken for the VM.
    @Test("a copy without the right to run is not the VM")
    func copies() throws {
        let copy = machine(.paused, right: "ARM")
        #expect(try Self.find([("a", .success([copy])), ("b", .success([machine()]))]) == "b")
        let moving = machine(right: "INT")
        #expect(try Self.find([("a", .success([moving])), ("b", .success([copy]))]) == "a")
    }

    // Breaks when a VM that its host cannot read hides one of the same name that may run, is taken
    // for missing, or stands in the way of another.
    @Test("a VM that cannot be read says so itself")
    func damaged() throws {
        let leftover = machine(.stopped, right: "GONE")
        #expect(
            try Self.find(
                [("a", .success([])), ("b", .success([machine()]))], damaged: ["a": damage()])
                == "b")
        #expect(
            try Self.find(
                [("a", .success([machine()]))], damaged: ["a": damage("other", uuid: 1)]) == "a")
        for machines in [[], [leftover]] {
            let error = try #require(throws: LivemigError.self) {
                _ = try Self.find(
                    [
                        ("a", .success(machines)), ("b", .failure(Self.refused)),
                        ("c", .success([])),
                    ],
                    damaged: ["c": damage()])
            }
            #expect(error == (try damage().error))
        }
    }

    // Breaks when a VM that is missing or there twice is taken for found, or silence for absence.
    @Test("what is not found says why")
    func notFound() throws {
        let none = try #require(throws: LivemigError.self) {
            _ = try Self.find([
                ("a", .success((0..<12).map { machine(name: "vm\($0)") })),
                ("b", .success([])),
            ])
        }
        #expect(none.code == .noVM)
        #expect(none.explanation.contains("and 2 more"))
        let twice = try #require(throws: LivemigError.self) {
            _ = try Self.find([("a", .success([machine()])), ("b", .success([machine(uuid: 2)]))])
        }
        #expect(twice.code == .ambiguousVM)
        let silent = try #require(throws: LivemigError.self) {
            _ = try Self.find([("a", .failure(Self.refused)), ("b", .failure(Self.refused))])
        }
        #expect(silent.code == .connect)
        #expect(silent.what.contains("no host could be asked for VM"))
    }

    // Breaks when a VM that may be on a host that could not be asked is said not to be there.
    @Test("silence is not absence, and an answer is not silence")
    func unasked() throws {
        for code in [ErrorCode.connect, .version, .authentication] {
            let error = try #require(throws: LivemigError.self) {
                _ = try Self.find([
                    ("a", .success([machine(name: "other")])),
                    ("b", .failure(LivemigError(code, "no answer", at: "b"))),
                    ("c", .failure(Self.refused)),
                ])
            }
            #expect(error.code == code)
            #expect(error.what.contains("is not on a, and may be on b and c"), "\(error)")
            #expect(error.what.contains("nor could c (E-CONNECT) be asked"), "\(error)")
        }
        #expect(ErrorCode.connect.wordsOfHost == "not reachable")
        #expect(ErrorCode.version.wordsOfHost == "reached, with an error")
        #expect(ErrorCode.authentication.wordsOfHost == "reached, but not trusted")
    }

    // Breaks when naming a host is the advice for a VM that could run twice then.
    @Test(
        "one VM on two hosts is not ambiguous",
        arguments: [
            ("REL", "RDY", ErrorCode.inTransfer, "recover web1"),
            ("OWN", "OWN", .internal, "status web1"), ("GONE", "ABT", .inTransfer, "recover web1"),
        ])
    func oneOnTwoHosts(_ here: String, _ there: String, code: ErrorCode, fix: String) throws {
        let error = try #require(throws: LivemigError.self) {
            _ = try Self.find([
                ("a", .success([machine(.paused, right: here)])),
                ("b", .success([machine(.paused, right: there)])),
            ])
        }
        #expect(error.code == code)
        #expect(error.fix.contains(fix))
    }

    // Breaks when one of two VMs of a name is taken for the other.
    @Test("two VMs of one name are ambiguous")
    func namesakes() throws {
        let lists = try [("alpha", UInt64(1)), ("beta", 2)].map { name, uuid in
            HostAnswer(
                HostRecord(name: try HostName(name), address: name, hostKeys: []),
                .success(MachineList([machine(uuid == 1 ? .running : .stopped, uuid: uuid)])))
        }
        let error = #expect(throws: LivemigError.self) {
            _ = try VMSearch.find(try VMName("web1"), in: lists)
        }
        #expect(error?.code == .ambiguousVM)
    }
}
