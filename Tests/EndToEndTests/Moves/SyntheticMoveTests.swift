import MigrationModel
import TestSupport
import Testing

@Suite(.serialized) struct SyntheticMoveTests {
    // Breaks when a page is lost, stale or torn on its way, or when anything is left behind.
    @Test(.timeLimit(.minutes(1))) func movesThereAndBackIntact() throws {
        let hosts = try TwoHosts()
        try hosts.start("fill=32MiB ws=8MiB rate=50MiB/s content=mixed writers=2 zero=8")
        let (there, rounds) = try hosts.move(from: hosts.alpha, to: hosts.beta)
        #expect(there.sourceIsClean)
        #expect(there.isRunning)
        #expect(rounds.count >= 2)
        #expect(hosts.alpha.leftovers == [])
        #expect(try hosts.beta.differingPages() == "0")
        let (back, _) = try hosts.move(from: hosts.beta, to: hosts.alpha)
        #expect(back.epoch == Epoch(2))
        #expect(hosts.beta.leftovers == [])
        #expect(try hosts.alpha.differingPages() == "0")
    }
}
