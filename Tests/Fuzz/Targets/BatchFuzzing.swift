import MigrationModel
import PageCodec
import WireProtocol

/// Places batches, one for each line of a script, whose selector is the round that is expected.
enum BatchFuzzing {
    private static let byteCount = LaneFuzzing.pages * PageGeometry.pageSize

    static func run(_ input: [UInt8]) throws(BrokenPromise) -> FuzzTarget.Outcome {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 4096)
        defer { unsafe memory.deallocate() }
        unsafe memory.initializeMemory(as: UInt8.self, repeating: 0)
        do throws(LivemigError) {
            return try unsafe place(Script(input[...]), in: memory)
        } catch {
            throw BrokenPromise("\(error)")
        }
    }

    private static func place(
        _ script: Script, in memory: UnsafeMutableRawBufferPointer
    ) throws(LivemigError) -> FuzzTarget.Outcome {
        let table = try PageHashTable(pageCount: LaneFuzzing.pages)
        var decoder = try BatchDecoder(key: LaneFuzzing.key)
        var digest = ImageDigest()
        for line in script.lines {
            let before = unsafe (Checksum.of(UnsafeRawBufferPointer(memory).bytes), digest)
            do throws(BatchError) {
                _ = try unsafe decoder.decode(
                    line.payload.span.bytes, round: UInt32(line.selector), into: memory,
                    table: table, digest: &digest)
            } catch {
                _ = "\(error.livemigError)"
                let after = unsafe (Checksum.of(UnsafeRawBufferPointer(memory).bytes), digest)
                guard before == after else {
                    throw LivemigError(.internal, "a refused batch has left a trace: \(error)")
                }
                return .refused
            }
            try unsafe check(memory, table, digest)
        }
        return .accepted
    }

    /// What was noted as placed is what memory holds, and the digest is that of the table.
    private static func check(
        _ memory: UnsafeMutableRawBufferPointer, _ table: borrowing PageHashTable,
        _ digest: ImageDigest
    ) throws(LivemigError) {
        guard digest == ImageDigest(of: table) else {
            throw LivemigError(.internal, "the digest is not that of the table")
        }
        for page in 0..<LaneFuzzing.pages {
            let start = page * PageGeometry.pageSize
            let content = unsafe UnsafeRawBufferPointer(
                rebasing: memory[start..<start + PageGeometry.pageSize])
            let (number, key) = (UInt64(page), LaneFuzzing.key)
            let noted = table[number]
            // A page that was not placed is as it was: zeros.
            let expected = noted == PageHashKey.neverSent ? key.zeroPage(number) : noted
            guard unsafe key.hash(of: content.bytes, page: number) == expected else {
                throw LivemigError(.internal, "page \(page) is not what was noted")
            }
        }
    }
}
