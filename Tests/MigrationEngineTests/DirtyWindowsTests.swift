import GuestMemory
import MigrationEngine
import MigrationModel
import TestSupport
import Testing

@Suite struct DirtyWindowsTests {
    private static let slice = Duration.milliseconds(25)

    // Broken by: a window whose pages are not those of its parts together, a length that is not
    // theirs, or a least and most that leave a window out.
    @Test(arguments: [1, 2, 3, 7, 8, 64]) func agreesWithEachWindowCounted(slices: Int) {
        var random = Seeded(UInt64(slices))
        let sets = (0..<slices).map { _ in
            Set((0..<random.below(40)).map { _ in random.below(300) })
        }
        var windows = DirtyWindows(pageCount: 300)
        for set in sets {
            var pages = PageBitmap(pageCount: 300)
            for page in set { pages.insert(page..<page + 1) }
            windows.add(pages, length: Self.slice)
        }
        var expected: [GuestMeasurement.Window] = []
        var length = 1
        while length <= slices {
            let counts = stride(from: 0, through: slices - length, by: length).map { start in
                UInt64(sets[start..<start + length].reduce(into: Set()) { $0.formUnion($1) }.count)
            }
            guard let least = counts.min(), let most = counts.max() else { break }
            expected.append(.init(length: Self.slice * length, dirtiedPages: least...most))
            length *= 2
        }
        #expect(windows.windows == expected)
        let all = sets.reduce(into: Set<Int>()) { $0.formUnion($1) }
        #expect(windows.written.runs.flatMap(Array.init) == all.sorted())
    }

    // Broken by: blocks out of order or with a page twice, more pages than asked for, or a sample
    // that leaves the end of memory out.
    @Test(arguments: [0, 1, 63, 64, 65, 1000, 20_000]) func sample(members: Int) throws {
        var pages = PageBitmap(pageCount: 100_000)
        for page in 0..<members { pages.insert(page * 5..<page * 5 + 1) }
        let sample = PageSample(of: pages, limit: 640)
        let chosen = sample.blocks.flatMap { $0 }
        #expect(chosen.count == min(members, 640))
        #expect(zip(chosen, chosen.dropFirst()).allSatisfy { $0 < $1 })
        #expect(chosen.allSatisfy { pages.contains(Int($0)) })
        #expect(sample.blocks.allSatisfy { (1...64).contains($0.count) })
        if let last = chosen.last { #expect(Int(last) >= (members - 1) * 5 * 9 / 10) }
        let parts = (0..<3).map { sample.part(of: $0, among: 3) }
        #expect(parts.joined().flatMap { $0 }.sorted() == chosen)
    }
}
