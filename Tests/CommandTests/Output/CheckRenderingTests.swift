import MigrationModel
import Testing

@testable import Commands
@testable import Orchestrator

@Suite("Compatibility reports as text and JSON")
struct CheckRenderingTests {
    private static let findings = [
        Finding(.warning(.clock), "beta's clock is 60 s ahead of alpha's", fix: "synchronise"),
        Finding(
            .error(.cpu), "beta's processor lacks avx2", source: "Xeon A", destination: "Xeon B",
            fix: "choose another host"),
        Finding(.error(.disk), "disk vda is not there", at: "beta: /srv/a.img"),
    ]

    private static func report(_ findings: [Finding]) throws -> CompatibilityReport {
        CompatibilityReport(
            vm: "web1", source: try HostName("alpha"), destination: try HostName("beta"),
            findings: findings)
    }

    // Breaks when a finding loses its identifier, a side's value or what is to be done, or the last
    // line does not answer the question.
    @Test("text has a finding, its details below, and the answer last")
    func text() throws {
        #expect(
            ReportText.lines(try Self.report(Self.findings)) == [
                "E-CPU    beta's processor lacks avx2",
                "         source       Xeon A",
                "         destination  Xeon B",
                "         fix          choose another host",
                "E-DISK   disk vda is not there",
                "         where  beta: /srv/a.img",
                "W-CLOCK  beta's clock is 60 s ahead of alpha's",
                "         fix  synchronise",
                "web1: alpha → beta cannot be moved: 2 errors, 1 warning",
            ])
        #expect(
            ReportText.lines(try Self.report([Self.findings[0]])).last
                == "web1: alpha → beta can be moved, with 1 warning")
        #expect(ReportText.lines(try Self.report([])) == ["web1: alpha → beta can be moved"])
    }

    // Breaks when a field that scripts rely on is renamed, missing, or there without a value.
    @Test("JSON has every published field")
    func json() throws {
        #expect(
            JSONText.line(CheckDocument(try Self.report(Array(Self.findings.prefix(2)))))
                == #"{"compatible":false,"destination":"beta","findings":["#
                + #"{"destination":"Xeon B","fix":"choose another host","id":"E-CPU","#
                + #""message":"beta's processor lacks avx2","severity":"error","source":"Xeon A"},"#
                + #"{"fix":"synchronise","id":"W-CLOCK","#
                + #""message":"beta's clock is 60 s ahead of alpha's","severity":"warning"}],"#
                + #""source":"alpha","vm":"web1"}"#)
        #expect(
            JSONText.line(CheckDocument(try Self.report([])))
                == #"{"compatible":true,"destination":"beta","findings":[],"source":"alpha","#
                + #""vm":"web1"}"#)
    }

    // Breaks when text of a host moves the cursor, or breaks a line in two.
    @Test("what hosts say stays on its line")
    func hostileText() throws {
        let finding = Finding(
            .error(.disk), "a\nb\u{1B}[2J", at: "c\rd", source: "e\nf", destination: "g\u{07}h",
            fix: "i\u{85}j")
        let lines = ReportText.lines(try Self.report([finding]))
        #expect(lines.count == 6)
        for line in lines + [ReportText.warning(finding)] {
            #expect(
                line.unicodeScalars.allSatisfy {
                    $0.value >= 0x20 && $0.value != 0x7F && $0 != "\u{85}"
                },
                "\(line)")
        }
    }

    // Breaks when a move begins without saying what was found, or says it to scripts alone.
    @Test("a move tells warnings before it begins")
    func warningsOfMove() throws {
        var plan = try MovePlan(
            moving: VMName("web1"), from: side("alpha", [machine()]), to: side("beta"),
            policy: MigrationPolicy())
        var text = MoveText()
        #expect(text.lines(.planned(plan), at: .zero) == [])
        #expect(!JSONText.line(PlanEvent(plan)).contains("warnings"))
        plan.warnings = [
            Finding(
                .warning(.version), "the hosts' agents differ", source: "1.0", destination: "1.1",
                fix: "install the same release on both")
        ]
        #expect(
            text.lines(.planned(plan), at: .zero) == [
                .permanent(
                    "livemig: warning[W-VERSION]: the hosts' agents differ; source 1.0; "
                        + "destination 1.1; install the same release on both")
            ])
        #expect(
            JSONText.line(PlanEvent(plan)).contains(
                #""warnings":[{"destination":"1.1","fix":"install the same release on both","#
                    + #""id":"W-VERSION","message":"the hosts' agents differ","#
                    + #""severity":"warning","source":"1.0"}]"#))
    }
}

@Suite("What both hosts say before a move")
struct MoveInspectionTests {
    private static func inspection(
        _ outgoing: [Finding], _ incoming: [Finding],
        change: (inout HostSettings) -> Void = { _ in }
    ) throws -> MoveInspection {
        var settings = HostSettings(
            policy: HostPolicy(), memoryReserve: .mebibytes(512), outgoing: 0, incoming: 0,
            promised: ByteCount(0), addresses: [])
        change(&settings)
        func side(_ name: String, _ findings: [Finding]) throws -> MoveInspection.Side {
            MoveInspection.Side(
                name: try HostName(name), networks: [], settings: .success(settings),
                findings: .success(findings))
        }
        return MoveInspection(
            source: try side("alpha", outgoing), destination: try side("beta", incoming),
            definition: .success("<domain/>"))
    }

    // Breaks when what both hosts find is told twice, or a finding does not say whose it is.
    @Test("each thing is told once, with its host")
    func joined() throws {
        let cache = Finding(.error(.cache), "cache='none'", at: "disk vda")
        let bridge = Finding(.error(.network), "no bridge br0 on this host")
        let inspection = try Self.inspection([cache], [cache, bridge])
        let found = try inspection.findings(.direct, beside: [])
        #expect(found.map(\.id) == ["E-CACHE", "E-NET"])
        #expect(found.map(\.place) == ["alpha: disk vda", "beta"])
    }

    // Breaks when memory is told twice, once without the reserve that decides.
    @Test("the destination's word on memory replaces the comparison")
    func memory() throws {
        let free = Finding(.warning(.memory), "little is left")
        let clock = Finding(.warning(.clock), "late")
        let full = Finding(.error(.memory), "needs 4.0 GiB", at: "/srv/beta")
        let refused = try Self.inspection([], [full]).findings(.direct, beside: [free, clock])
        #expect(refused.map(\.id) == ["W-CLOCK", "E-NOMEM"])
        let fine = try Self.inspection([], []).findings(.direct, beside: [free, clock])
        #expect(fine.map(\.id) == ["W-MEMORY", "W-CLOCK"])
    }

    // Breaks when a policy's refusal is not found, or moves under way count as an error.
    @Test("policies are findings")
    func policies() throws {
        let stranger = try HostName("gamma")
        let refused = try Self.inspection([], []) {
            $0.policy.peers = [stranger]
            $0.policy.allowsAnyNetwork = false
            ($0.outgoing, $0.incoming) = (2, 2)
        }
        let found = try refused.findings(.direct, beside: [])
        #expect(found.map(\.id) == ["E-PEER", "E-PEER", "E-NET", "W-SLOTS", "W-SLOTS"])
        let relayed = try refused.findings(.relay, beside: [])
        #expect(relayed.map(\.id) == ["E-PEER", "E-PEER", "E-NET", "W-SLOTS", "W-SLOTS"])
        let disabled = try Self.inspection([], []) { $0.policy.isLiveMigrationEnabled = false }
        #expect(
            try disabled.findings(.direct, beside: []).map(\.id) == ["E-DISABLED", "E-DISABLED"])
    }

    // Breaks when a move begins that a host has an error against, or a key that sshd may know from
    // elsewhere stops one that would succeed.
    @Test("a move is refused on the first error, and keys are left to sshd")
    func admission() throws {
        let trust = Finding(.error(.authentication), "the key of alpha is not accepted here")
        let disk = Finding(.error(.disk), "disk vda is not there", at: "/srv/a.img", fix: "share")
        let fence = Finding(.warning(.fence), "the lock is not seen", at: "disk vda")
        let inspection = try Self.inspection([fence], [trust, disk])
        let error = #expect(throws: LivemigError.self) { try inspection.admit(isDryRun: false) }
        #expect(
            error
                == LivemigError(
                    .disk, "disk vda is not there", at: "beta: /srv/a.img", fix: "share"))
        let dry = #expect(throws: LivemigError.self) { try inspection.admit(isDryRun: true) }
        #expect(dry?.code == .authentication)
        #expect(dry?.fix == "run livemig host trust alpha beta")
        let warned = try Self.inspection([fence], [trust]).admit(isDryRun: false)
        #expect(warned.map(\.id) == ["W-FENCE"])
        #expect(warned.map(\.place) == ["alpha: disk vda"])
    }

    // Breaks when a host that could not be asked counts as one that has found nothing.
    @Test("who was not asked is no host without findings")
    func silence() throws {
        let lost = LivemigError(.disconnected, "the agent closed the connection", at: "beta")
        var inspection = try Self.inspection([], [])
        inspection = MoveInspection(
            source: inspection.source,
            destination: MoveInspection.Side(
                name: inspection.destination.name, networks: [],
                settings: inspection.destination.settings, findings: .failure(lost)),
            definition: inspection.definition)
        #expect(throws: lost) { try inspection.findings(.direct, beside: []) }
        #expect(throws: lost) { try inspection.admit(isDryRun: false) }
    }
}
