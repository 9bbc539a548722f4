import MigrationModel
import Ownership
import Testing

@Suite("Every order of events")
struct ExplorationTests {
    // Broken by: any order of two attempts' messages, lost, repeated or late, of aborts, refusals
    // and dead hypervisors, after which two guests may run, or one that ran elsewhere resumes.
    // Broken too by a state from which no guest can ever run again without a hardware failure.
    @Test func noOrderOfEventsBreaksAPromise() throws {
        let graph = try Graph(from: World())
        #expect(graph.worlds.count > 900, "the exploration has lost its way")
        #expect(graph.worlds.contains { $0.destinationRuns && $0.source.right.word == "GONE" })
        #expect(graph.worlds.contains { $0.ranThere && $0.destination.right.epoch == Epoch(2) })
        let stuck = graph.stuck { $0.isRunningOnce }
        let lost = stuck.first { !$0.crashed }
        #expect(lost == nil, "nobody runs the guest any more")
    }

    // Broken by: an exploration that could not find a violation if there was one.
    @Test("leaving a rule out is noticed", arguments: Mutant.allCases)
    func mutantsAreNoticed(mutant: Mutant) throws {
        var world = World()
        world.mutant = mutant
        do {
            let graph = try Graph(from: world)
            #expect(graph.stuck { $0.isRunningOnce }.contains { !$0.crashed })
        } catch is Violation {
            return
        }
    }

    // Broken by: a verdict that lets a host run the VM which its own record forbids, or that calls
    // impossible what the protocol can reach.
    @Test func verdictsFitEveryReachableWorld() throws {
        for world in try Graph(from: World()).worlds {
            let source = HostView(
                right: world.source.right,
                guest: world.sourceRuns ? .running : world.sourceHasCopy ? .paused : .stopped)
            let destination = HostView(
                right: world.destination.right,
                guest: world.destinationRuns
                    ? .running : world.destinationHasCopy ? .paused : .stopped)
            let verdict = Verdict.decide(source: source, destination: destination)
            #expect(verdict != .impossible)
            switch verdict {
            case .runsOnSource, .sourceOwnsInterrupted: #expect(world.source.right.mayRun)
            case .runsOnDestination, .committedStarting, .crashedOnDestination:
                #expect(world.destination.right.mayRun)
            case .handOverInFlight, .handOverRefused:
                #expect(!world.destinationRuns && !world.sourceRuns)
            default: Issue.record("\(verdict) with both views known")
            }
            let alone = Verdict.decide(source: source, destination: nil)
            #expect((alone == .sourceSafeAlone) == world.source.right.mayRun)
        }
    }
}

/// Every world that can be reached from one, and the steps between them.
struct Graph {
    private(set) var worlds: [World]
    private var predecessors: [[Int]]

    init(from first: World) throws {
        worlds = [first]
        predecessors = [[]]
        var numbers = [first: 0]
        var next = 0
        while next < worlds.count {
            for world in try worlds[next].successors() {
                if let known = numbers[world] {
                    predecessors[known].append(next)
                    continue
                }
                try world.check()
                numbers[world] = worlds.count
                worlds.append(world)
                predecessors.append([next])
            }
            next += 1
        }
    }

    /// The worlds from which no step sequence leads to a good one.
    func stuck(unless isGood: (World) -> Bool) -> [World] {
        var canReach = worlds.map(isGood)
        var queue = canReach.indices.filter { canReach[$0] }
        while let number = queue.popLast() {
            for before in predecessors[number] where !canReach[before] {
                canReach[before] = true
                queue.append(before)
            }
        }
        return worlds.indices.filter { !canReach[$0] }.map { worlds[$0] }
    }
}
