import Handoff
import MigrationModel
import Ownership
import TestSupport
import Testing

@Suite("Where a VM is")
struct VMLocationTests {
    private static let silent = VMLocation.View.silent(LivemigError(.connect, "refused"))

    // Breaks when a host without the right is said to hold the guest, or silence is a guess.
    @Test("only a record that gives the right decides")
    func verdicts() throws {
        let owner = try judge(("alpha", view("OWN")), ("beta", .absent))
        #expect(owner.guest.description == "VM web1 is RUNNING on alpha (epoch 7)")
        #expect(owner.trouble == nil)
        let away = try judge(
            ("alpha", view("GONE", .stopped, peer: "beta")), ("beta", view("OWN")))
        #expect(away.guest.host == "beta")
        let interrupted = try judge(
            ("alpha", view("INT")), ("beta", view("RDY", .paused, peer: "alpha")))
        #expect(interrupted.guest.host == "alpha")
        #expect(interrupted.sentence.contains("interrupted"))
        let given = try judge(
            ("alpha", view("REL", .paused, peer: "beta")), ("beta", Self.silent))
        #expect(given.guest.state == .inTransfer)
        #expect(given.trouble?.code.exitCode == .inTransfer)
        #expect(given.sentence.contains("do not start it"))
        let waiting = try judge(
            ("alpha", Self.silent), ("beta", view("RDY", .paused, peer: "alpha")))
        #expect(waiting.guest.state == .unknown)
        #expect(waiting.trouble?.code.exitCode == .inTransfer)
        let both = try judge(("alpha", view("OWN")), ("beta", view("OWN")))
        #expect(both.trouble?.code.exitCode == .internal)
        #expect(try judge(("alpha", .absent), ("beta", .absent)).trouble?.code == .noVM)
        #expect(try judge(("alpha", .absent), ("beta", Self.silent)).trouble?.code == .connect)
    }

    // Breaks when a step is planned for another host than the record's peer, a stale copy is called
    // back to life because a third host took the VM on, or anything is done without the host that
    // does not answer.
    @Test("what a recovery does among three hosts")
    func plans() throws {
        func steps(_ found: VMLocation) -> [String] {
            found.pair.steps.map { "\($0.host) \($0.step.brief)" }
        }
        let given = view("REL", .paused, peer: "beta")
        let flight = try judge(
            ("gamma", .absent), ("alpha", given), ("beta", view("RDY", .paused, peer: "alpha"))
        )
        #expect(flight.pair.verdict == .handOverInFlight)
        #expect(
            steps(flight) == [
                "beta token", "alpha finish",
            ])
        let refused = try judge(("alpha", given), ("beta", .absent), ("gamma", Self.silent))
        #expect(
            steps(refused) == [
                "beta discard",
                "alpha reclaim",
            ])
        let unsure = try judge(("alpha", given), ("beta", Self.silent), ("gamma", .absent))
        #expect(unsure.pair.verdict == .sourceMustNotRun && steps(unsure).isEmpty)
        let unlisted = try judge(("alpha", given), ("gamma", .absent))
        #expect(unlisted.pair.verdict == .sourceMustNotRun && steps(unlisted).isEmpty)
        let wentOn = try judge(
            ("alpha", given), ("beta", view("GONE", .stopped, epoch: 8, peer: "gamma")),
            ("gamma", Self.silent))
        #expect(wentOn.pair.verdict == .movedOn)
        #expect(steps(wentOn) == ["alpha finish"])
        let third = try judge(
            ("alpha", given), ("beta", view("GONE", .stopped, epoch: 8, peer: "gamma")),
            ("gamma", view("OWN", epoch: 8)))
        #expect(third.guest.host == "gamma")
        #expect(steps(third).contains("alpha finish"))
        let orphan = try judge(
            ("alpha", view("GONE", .unknown, peer: "beta")), ("beta", view("OWN")))
        #expect(
            steps(orphan) == ["beta settle", "alpha finish"])
        // alpha was overruled, by the owner that gave the VM away since.
        let overruled = try judge(
            ("alpha", view("GONE", .stopped)), ("beta", view("REL", .paused, peer: "gamma")),
            ("gamma", view("ABT", .stopped, peer: "beta")))
        #expect(overruled.pair.destination?.host?.text == "gamma")
        #expect(steps(overruled) == ["gamma discard", "beta reclaim"])
        let twice = try judge(("alpha", view("OWN")), ("beta", view("OWN")))
        #expect(steps(twice) == ["alpha freeze", "beta freeze"])
    }

    // Breaks when a host that lies in its records costs another host its guest: an owner is told to
    // give up or stopped, or a copy that is handed over is removed by the word of a third host.
    @Test(
        "a host that lies makes a VM undecidable at most", arguments: ["OWN", "INT", "GONE", "REL"])
    func liars(word: String) throws {
        func steps(_ found: VMLocation, on host: String) -> [RecoveryStep] {
            found.pair.steps.filter { $0.host.text == host }.map(\.step)
        }
        let lie = VMLocation.View.record(
            OwnershipRecord(
                uuid: vm, right: lying(word), peer: "delta", time: 0), .running)
        let owner = try judge(("alpha", view("OWN")), ("gamma", lie))
        #expect(steps(owner, on: "alpha").allSatisfy { $0 == .settle })
        if lying(word).mayRun {
            #expect(owner.sentence.contains("gamma") && owner.sentence.contains("alpha"))
            #expect(owner.trouble?.code.exitCode == .internal)
            #expect(owner.trouble?.fix.contains("--overruled alpha") == true)
        }
        let given = view("REL", .paused, peer: "beta")
        let away = try judge(("alpha", given), ("beta", Self.silent), ("gamma", lie))
        #expect(steps(away, on: "alpha") == [], "the copy may be the only good one")
        let flight = try judge(
            ("alpha", given), ("beta", view("RDY", .paused, peer: "alpha")), ("gamma", lie))
        #expect(
            !steps(flight, on: "beta").contains { if case .discard = $0 { true } else { false } })
    }

    /// A record at an epoch that nobody else knows of, by an attempt of its own.
    private func lying(_ word: String) -> Right {
        let attempt = Attempt(
            migration: MigrationID(Bits128(high: 6, low: 6)), epoch: Epoch(507))
        return switch word {
        case "OWN": .owner(Epoch(507), nil)
        case "INT": .intent(attempt)
        case "GONE": .gone(attempt)
        default: .released(attempt, digest: .zero)
        }
    }

    // Breaks when two VMs of one name are taken for one that is claimed twice, or what is left of
    // one that has gone hides the other.
    @Test("two VMs of one name are two VMs")
    func namesakes() throws {
        func entry(_ host: String, _ word: String, _ uuid: UInt64) throws -> VMLocation.Entry {
            VMLocation.Entry(
                host: try HostName(host),
                view: .record(
                    OwnershipRecord(
                        uuid: VMUUID(Bits128(high: 0, low: uuid)),
                        right: Right.sample(word, epoch: 7),
                        peer: "", time: 0), .running))
        }
        let two = VMLocation.apart(
            "web1", [try entry("alpha", "OWN", 1), try entry("beta", "OWN", 2)])
        #expect(two.map(\.sentence) == ["runs on alpha", "runs on beta"])
        #expect(two.allSatisfy { $0.trouble == nil && $0.pair.steps.map(\.step) == [.settle] })
        let one = VMLocation.apart(
            "web1", [try entry("alpha", "GONE", 1), try entry("beta", "OWN", 2)])
        #expect(one.map(\.sentence) == ["runs on beta"])
    }
}
