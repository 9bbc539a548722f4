import GuestMemory
import LinuxSystem
import MigrationModel
import Testing

@testable import SyntheticVM

@Suite struct WorkloadTests {
    static let memory = ByteCount.mebibytes(64)

    /// Breaks when a key is read into the wrong field or unit.
    @Test func readsEveryKey() throws {
        let text =
            "fill=32MiB ws=16MiB rate=50MiB/s content=random change=slice writers=3 zero=5 "
            + "seed=9 state=64KiB check=1 refuse-load=1 crash-at-load=1 slow-load=20 refuse-resume=1 "
            + "beat=20"
        let parameters = try WorkloadParameters(parsing: text, memory: Self.memory)
        #expect(parameters.fillPages == 8192)
        #expect(parameters.workingSetPages == 4096)
        #expect(parameters.rate.bytesPerSecond == 50 << 20)
        #expect(parameters.content == .random)
        #expect(parameters.change == .slice)
        #expect(parameters.writers == 3)
        #expect(parameters.zeroEvery == 5)
        #expect(parameters.seed == 9)
        #expect(parameters.stateSize == 65536)
        #expect(parameters.checks)
        #expect(parameters.beatPeriod == 20_000_000)
        #expect(parameters.faults.refusesLoad && parameters.faults.crashesAtLoad)
        #expect(parameters.faults.refusesResume && parameters.faults.loadDelay == 20)
    }

    /// Breaks when an empty command line is no sensible guest.
    @Test func hasDefaults() throws {
        let parameters = try WorkloadParameters(parsing: "", memory: Self.memory)
        #expect(parameters.fillPages == 8192 && parameters.workingSetPages == 2048)
        #expect(parameters.rate == .idle && parameters.faults == .init())
        let filled = try WorkloadParameters(parsing: "fill=8MiB rate=max", memory: Self.memory)
        #expect(filled.workingSetPages == 512 && filled.rate == .unlimited)
        #expect(parameters.beatPeriod == Heartbeat.period)
    }

    /// Breaks when a command line that makes no sense starts a guest all the same.
    @Test(arguments: [
        "fil=64MiB", "fill", "fill=", "fill=64", "fill=64MiB", "fill=4097B", "fill=16MiB ws=32MiB",
        "writers=0", "writers=65", "ws=4KiB writers=2", "rate=5", "rate=-1MiB/s", "content=noise",
        "zero=-1", "state=4KiB", "state=17MiB", "state=9000B", "check=2", "seed=1 seed=1",
        "slow-load=600001", "beat=0", "beat=10001", "fill=99999999999999TiB", "change=bit",
    ])
    func refuses(_ text: String) {
        let error = #expect(throws: LivemigError.self) {
            _ = try WorkloadParameters(parsing: text, memory: Self.memory)
        }
        #expect(error?.code == .range || error?.code == .size)
        #expect(error?.place.hasPrefix("guest command line") == true)
    }

    /// Breaks when the steps of a writer repeat or leave out a page of its part within a
    /// generation.
    @Test(arguments: [1, 2, 3, 7, 64, 100, 4096, 4099])
    func everyGenerationVisitsEveryPageOnce(pages: Int) {
        let part = WriterPart(pages: 10..<10 + pages, seed: 3, writer: 1)
        for round in 0..<3 {
            let steps = (UInt64(round * pages)..<UInt64((round + 1) * pages))
            #expect(Set(steps.map(part.page(atStep:))) == Set(part.pages))
            #expect(steps.allSatisfy { part.generation(atStep: $0) == UInt64(round + 1) })
        }
    }

    /// Breaks when the closed form of a page's generation differs from counting steps one by one.
    @Test(arguments: [1, 2, 5, 16, 97]) func generationAgreesWithCounting(pages: Int) {
        let part = WriterPart(pages: 1..<1 + pages, seed: 11, writer: 0)
        var counted = [Int: UInt64]()
        for step in 0..<UInt64(pages * 3 + 2) {
            for page in part.pages {
                #expect(part.generation(of: page, afterSteps: step) == counted[page, default: 0])
            }
            counted[part.page(atStep: step)] = part.generation(atStep: step)
        }
    }

    /// Breaks when parts overlap, leave a gap, or the page of one is taken for another's.
    @Test(arguments: [1, 2, 3, 7, 64]) func partsCoverTheWorkingSet(writers: Int) throws {
        let parameters = try WorkloadParameters(
            parsing: "fill=4MiB ws=1MiB writers=\(writers) zero=0 content=text", memory: Self.memory
        )
        let expected = ExpectedMemory(parameters)
        #expect(expected.parts.flatMap { Array($0.pages) } == Array(1...256))
        // Writer w has made w + 1 whole generations: each page shows whose it is.
        let steps = expected.parts.enumerated().map { UInt64(($0 + 1) * $1.pages.count) }
        for (writer, part) in expected.parts.enumerated() {
            for page in part.pages {
                let content = PageContent(parameters, page: page, generation: UInt64(writer + 1))
                #expect(expected.page(page, afterSteps: steps) == .content(content))
            }
        }
        #expect(expected.page(0, afterSteps: steps) == .heartbeat)
        #expect(expected.page(1025, afterSteps: steps) == .untouched)
        let last = PageContent(parameters, page: 1024, generation: 0)
        #expect(expected.page(1024, afterSteps: steps) == .content(last))
    }

    /// Breaks when content changes from build to build: guests of two versions would disagree.
    @Test func contentIsFixed() throws {
        let text = try WorkloadParameters(parsing: "content=text zero=0", memory: Self.memory)
        let random = try WorkloadParameters(parsing: "content=random zero=0", memory: Self.memory)
        let words = [
            PageContent(text, page: 1, generation: 0).words[0],
            PageContent(text, page: 1, generation: 0).words[511],
            PageContent(random, page: 1, generation: 0).words[0],
            PageContent(random, page: 2, generation: 0).words[0],
            PageContent(random, page: 1, generation: 1).words[0],
        ]
        #expect(words.map(\.hexadecimal) == Self.fixedWords)
    }

    static let fixedWords = [
        "706b7067636d6d62", "6b6d6c6467636365", "ca3b28eed1d267e4", "aa8b7c4b6762fa6e",
        "b24ce0fc5bb8ce3a",
    ]

    /// Breaks when the share of a kind in mixed content, or how often a page turns zero, is off.
    @Test func kindsOccurAsOftenAsTheyShould() throws {
        let parameters = try WorkloadParameters(parsing: "zero=8", memory: Self.memory)
        let kinds = (1...10_000).map { PageContent(parameters, page: $0, generation: 0).kind }
        #expect((4700...5300).contains(kinds.count { $0 == .zero }))
        #expect((3700...4300).contains(kinds.count { $0 == .text }))
        for page in 1...100 {
            let zeros = (1...80).filter {
                PageContent(parameters, page: page, generation: $0).kind == .zero
            }
            #expect(zeros.count == 10)
        }
    }

    /// Breaks when a rewrite by slices changes more than one slice, or none.
    @Test func sliceChangesAnEighth() throws {
        let parameters = try WorkloadParameters(
            parsing: "content=random change=slice zero=0", memory: Self.memory)
        for generation in 1...20 as ClosedRange<UInt64> {
            let before = PageContent(parameters, page: 4, generation: generation - 1).words
            let after = PageContent(parameters, page: 4, generation: generation).words
            let changed = (0..<512).filter { before[$0] != after[$0] }
            let slice = Int(generation % 8)
            #expect(changed == Array(slice * 64..<slice * 64 + 64))
        }
    }

    /// Breaks when writers run faster than their rate, or miss more of it than a burst makes up.
    @Test func pacingKeepsTheRate() {
        var pacing = Pacing(now: 1_000_000_000)
        var now: UInt64 = 1_000_000_000
        var pages = 0
        while now < 2_000_000_000 {
            now = max(now, pacing.countPage(now: now, rate: 4096 * 1000)) + 50_000
            pages += 1
        }
        #expect((995...1006).contains(pages))
        // A pause of a second is made up by 5 ms worth of pages, not by all it would have written.
        now += 1_000_000_000
        var burst = 0
        while pacing.countPage(now: now, rate: 4096 * 1000) <= now { burst += 1 }
        #expect((3...6).contains(burst))
    }

    /// Breaks when what the writers write is not what the check expects, in any kind of workload.
    @Test(arguments: [
        "content=mixed writers=3", "content=text change=slice zero=3", "content=random zero=1",
        "content=zero", "fill=1MiB ws=0",
    ])
    func steppedRunMatchesTheExpectation(_ text: String) throws {
        let parameters = try WorkloadParameters(parsing: text, memory: .mebibytes(2))
        let image = try GuestImage(GuestMemoryFile.create(size: .mebibytes(2)), parameters)
        image.fill()
        var steps = image.expected.parts.map { _ in UInt64(0) }
        let heartbeat = Heartbeat()
        #expect(try image.check(steps: steps, heartbeat: heartbeat).count == 0)
        for round in 0..<5 {
            for (writer, part) in image.expected.parts.enumerated() {
                for _ in 0..<(part.pages.count / 2 + writer + round) {
                    #expect(image.isIntact(part, before: steps[writer]))
                    image.step(part, steps[writer])
                    steps[writer] += 1
                }
            }
            #expect(try image.check(steps: steps, heartbeat: heartbeat).count == 0)
        }
        image.poke(300)
        #expect(try image.check(steps: steps, heartbeat: heartbeat).first == [300])
        image.poke(300)
        guard !steps.isEmpty, parameters.content != .zero, parameters.zeroEvery != 1 else { return }
        steps[0] += 1
        #expect(try image.check(steps: steps, heartbeat: heartbeat).count == 1)
    }
}
