import GuestMemory
import TestSupport
import Testing

@Suite struct PageBitmapTests {
    struct Case: Sendable {
        let pageCount: Int
        let inserted: [Range<Int>]
        let members: [Int]
        let runs: [Range<Int>]
    }

    static let cases = [
        Case(pageCount: 0, inserted: [], members: [], runs: []),
        Case(pageCount: 1, inserted: [0..<1], members: [0], runs: [0..<1]),
        Case(pageCount: 130, inserted: [5..<5], members: [], runs: []),
        Case(
            pageCount: 130, inserted: [63..<65, 129..<130], members: [63, 64, 129],
            runs: [63..<65, 129..<130]),
        Case(pageCount: 64, inserted: [0..<64], members: Array(0..<64), runs: [0..<64]),
        Case(
            pageCount: 300, inserted: [60..<200, 100..<140, 200..<201],
            members: Array(60..<201), runs: [60..<201]),
    ]

    /// Breaks when a run that touches a word's edge loses or gains a page, or is counted twice.
    @Test(arguments: cases) func insertsRuns(_ example: Case) {
        var bitmap = PageBitmap(pageCount: example.pageCount)
        for run in example.inserted { bitmap.insert(run) }
        #expect(bitmap.count == example.members.count)
        #expect(bitmap.isEmpty == example.members.isEmpty)
        #expect(bitmap.runs == example.runs)
        #expect((0..<example.pageCount).filter(bitmap.contains) == example.members)
    }

    /// Breaks when any sequence of operations makes the set differ from a plain set of numbers.
    @Test(arguments: [1, 63, 64, 65, 257, 1000]) func agreesWithSetModel(pageCount: Int) {
        var random = Seeded(UInt64(pageCount))
        var bitmap = PageBitmap(pageCount: pageCount)
        var model: Set<Int> = []
        for _ in 0..<400 {
            switch Int.random(in: 0..<10, using: &random) {
            case 0:
                bitmap.removeAll()
                model.removeAll()
            case 1...3:
                var other = PageBitmap(pageCount: pageCount)
                let run = Self.run(below: pageCount, &random)
                other.insert(run)
                bitmap.formUnion(other)
                model.formUnion(run)
            case 4:
                var other = PageBitmap(pageCount: pageCount)
                let run = Self.run(below: pageCount, &random)
                other.insert(run)
                bitmap.subtract(other)
                model.subtract(run)
                let members = model.sorted()
                let count = Int.random(in: 0...members.count, using: &random)
                var position = 0
                bitmap.skipMembers(from: &position, count: count)
                #expect(members.count { $0 >= position } == members.count - count)
            default:
                let run = Self.run(below: pageCount, &random)
                bitmap.insert(run)
                model.formUnion(run)
            }
            #expect(bitmap.count == model.count)
            #expect(bitmap.runs.flatMap(Array.init) == model.sorted())
            #expect((0..<pageCount).allSatisfy { bitmap.contains($0) == model.contains($0) })
            let limit = Int.random(in: 1...70, using: &random)
            #expect(Self.members(of: bitmap, limit: limit) == model.sorted())
        }
    }

    /// Breaks when handing out members in portions ends at the wrong place or grows the array.
    @Test func handsOutMembersInPortions() {
        var bitmap = PageBitmap(pageCount: 200)
        bitmap.insert(62..<66)
        bitmap.insert(199..<200)
        var position = 0
        var pages: [UInt64] = []
        bitmap.appendMembers(from: &position, limit: 3, to: &pages)
        #expect(pages == [62, 63, 64])
        #expect(position == 65)
        bitmap.appendMembers(from: &position, limit: 0, to: &pages)
        #expect(position == 65)
        bitmap.appendMembers(from: &position, limit: 10, to: &pages)
        #expect(pages == [62, 63, 64, 65, 199])
        #expect(position == 200)
    }

    private static func members(of bitmap: PageBitmap, limit: Int) -> [Int] {
        var position = 0
        var members: [Int] = []
        while position < bitmap.pageCount {
            var pages: [UInt64] = []
            bitmap.appendMembers(from: &position, limit: limit, to: &pages)
            #expect(pages.count <= limit)
            members += pages.map { Int($0) }
        }
        return members
    }

    private static func run(below limit: Int, _ random: inout Seeded) -> Range<Int> {
        let first = Int.random(in: 0..<limit, using: &random)
        let length = Int.random(in: 0...min(90, limit - first), using: &random)
        return first..<first + length
    }
}
