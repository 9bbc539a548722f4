import MigrationModel
import Ownership
import Testing

@Suite("Records that are older than the host remembers")
struct StalenessTests {
    static let one = World.attempts[0]
    static let two = World.attempts[1]
    static let digest = World.digest

    // Broken by: a record from a backup that gives a host the right again which it has given away.
    @Test(
        "a record that has come back is older",
        arguments: [
            (.owner(Epoch(0), nil), .gone(one)), (.intent(one), .gone(one)),
            (.intent(one), .released(one, digest: digest)), (.owner(Epoch(0), nil), .intent(one)),
            (.owner(Epoch(1), one.migration), .gone(two)),
            (.owner(Epoch(1), one.migration), .aborted(one)),
            (.ready(one, digest: digest), .aborted(one)),
            (.armed(one), .aborted(one)), (.gone(one), .owner(Epoch(2), two.migration)),
            (.none, .owner(Epoch(0), nil)), (.none, .released(one, digest: digest)),
            (.owner(Epoch(3), nil), .gone(Attempt(migration: MigrationID(.zero), epoch: Epoch(3)))),
        ] as [(Right, Right)])
    func older(record: Right, remembered: Right) {
        #expect(record.isOlder(than: remembered))
    }

    // Broken by: a crash between a record and its memory that keeps a VM from its only host, or a
    // hand-over refused that is not believed.
    @Test(
        "a record may be ahead of what is remembered",
        arguments: [
            (.owner(Epoch(0), nil), .owner(Epoch(0), nil)), (.intent(one), .owner(Epoch(0), nil)),
            (.released(one, digest: digest), .intent(one)), (.gone(one), .intent(one)),
            (.owner(Epoch(1), nil), .intent(one)),
            (.owner(Epoch(1), nil), .released(one, digest: digest)),
            (.owner(Epoch(1), one.migration), .armed(one)),
            (.ready(one, digest: digest), .armed(one)),
            (.aborted(one), .armed(one)), (.armed(two), .gone(one)), (.none, .gone(one)),
            (.none, .aborted(one)), (.owner(Epoch(1001), nil), .released(one, digest: digest)),
        ] as [(Right, Right)])
    func ahead(record: Right, remembered: Right) {
        #expect(!record.isOlder(than: remembered))
    }

    // Broken by: a step of the machines that a host's own memory calls a step back.
    @Test func noStepOfAMoveIsOlderThanTheOneBefore() throws {
        for world in try Graph(from: World()).worlds {
            for next in try world.successors() {
                #expect(!next.source.right.isOlder(than: world.source.right))
                #expect(!next.destination.right.isOlder(than: world.destination.right))
            }
        }
    }
}
