import GuestMemory
import MigrationModel
import Synchronization

/// The RAM of a reference guest as the guest itself sees it: writes pages and checks all of them.
///
/// Every writer touches only the pages of its own part; checks happen while no writer runs.
final class GuestImage: Sendable {
    let expected: ExpectedMemory
    private let file: GuestMemoryFile
    private let mapping: GuestMapping

    init(_ file: consuming GuestMemoryFile, _ parameters: WorkloadParameters) throws(LivemigError) {
        guard file.pageCount == parameters.pageCount else {
            throw LivemigError(
                .memory,
                "guest RAM has \(file.pageCount) pages, \(parameters.pageCount) are announced")
        }
        mapping = try GuestMapping(file, .write)
        self.file = file
        expected = ExpectedMemory(parameters)
    }

    private var parameters: WorkloadParameters { expected.parameters }

    @unsafe private func words(of page: Int) -> UnsafeMutablePointer<UInt64> {
        precondition(page >= 0 && page < parameters.pageCount, "page beyond guest RAM")
        return unsafe (mapping.address + page * 4096).assumingMemoryBound(to: UInt64.self)
    }

    /// Writes what the guest's memory holds at power-on.
    func fill() {
        for page in expected.filledPages {
            let content = PageContent(parameters, page: page, generation: 0)
            if content.kind != .zero || content.touchesZeros {
                unsafe content.write(to: words(of: page))
            }
        }
        write(Heartbeat())
    }

    /// Makes one step of a writer.
    func step(_ part: WriterPart, _ step: UInt64) {
        let page = part.page(atStep: step)
        let content = PageContent(
            parameters, page: page, generation: part.generation(atStep: step))
        unsafe content.write(to: words(of: page))
    }

    /// Whether the page that a step is about to rewrite holds what the step before left there.
    func isIntact(_ part: WriterPart, before step: UInt64) -> Bool {
        let page = part.page(atStep: step)
        let generation = part.generation(atStep: step) - 1
        let content = PageContent(parameters, page: page, generation: generation)
        return unsafe content.matches(words(of: page))
    }

    /// Writes the heartbeat page: the first counter first, the second last.
    func write(_ heartbeat: Heartbeat) {
        let page = unsafe words(of: ExpectedMemory.heartbeatPage)
        let words = heartbeat.words
        for index in [0, 1, 2, 3, 5] { unsafe page[index] = words[index] }
        atomicMemoryFence(ordering: .releasing)
        unsafe page[4] = words[4]
    }

    /// Changes a page behind the invariant's back.
    func poke(_ page: Int) { unsafe words(of: page)[page % 512] ^= 0x5A }

    /// The pages that do not hold what they must.
    struct Difference: Hashable, Sendable {
        var count = 0
        /// The first of them, in ascending order, at most 16.
        var first: [Int] = []

        mutating func add(_ page: Int) {
            count += 1
            if first.count < 16 { first.append(page) }
        }
    }

    /// Checks every page of RAM.
    ///
    /// Holes where zeros belong are left alone: reading them through the mapping would allocate
    /// them.
    func check(steps: [UInt64], heartbeat: Heartbeat) throws(LivemigError) -> Difference {
        var populated = PageBitmap(pageCount: parameters.pageCount)
        try file.addPopulatedPages(to: &populated)
        var difference = Difference()
        for page in 0..<parameters.pageCount {
            let expected = expected.page(page, afterSteps: steps)
            if !populated.contains(page), expected.isZero { continue }
            if !holds(page, expected, heartbeat) { difference.add(page) }
        }
        return difference
    }

    private func holds(
        _ page: Int, _ expected: ExpectedMemory.Page, _ heartbeat: Heartbeat
    ) -> Bool {
        let words = unsafe words(of: page)
        switch expected {
        case .content(let content): return unsafe content.matches(words)
        case .untouched: return (0..<PageContent.wordCount).allSatisfy { unsafe words[$0] == 0 }
        case .heartbeat:
            let expected = heartbeat.words
            return expected.indices.allSatisfy { unsafe words[$0] == expected[$0] }
        }
    }
}

extension ExpectedMemory.Page {
    fileprivate var isZero: Bool {
        switch self {
        case .heartbeat: false
        case .untouched: true
        case .content(let content): content.kind == .zero
        }
    }
}
