import Glibc
public import GuestMemory
public import Hypervisor
import LinuxSystem
public import MigrationModel
import PageCodec
import WireProtocol

/// Writes guests to files and reads them back.
///
/// Blocks for as long as the disk takes. Both directions move 1 MiB at a time, leave out holes and
/// pages of zeros, and hash every other page.
public enum SavedImage {
    /// Told how many bytes of how many are done; what it throws ends the work.
    public typealias Progress = (
        _ done: UInt64, _ total: UInt64
    ) throws(LivemigError) -> Void

    /// How many bytes are moved at a time; a whole number of pages.
    static let chunk = 1 << 20
    /// After how many bytes the medium must have them.
    static let synchronizedBytes = 64 << 20
    /// What must be free on the disk beside the guest's pages: its device state, and the file
    /// system's own blocks.
    static let spare = WireLimits.deviceState + 16 << 20

    /// Insists on room for what of a guest's memory is in use.
    /// - Throws: `E-DISKSPACE`, saying how much there is.
    public static func requireRoom(
        for memory: borrowing GuestMemoryFile, in folder: MachineFolder
    ) throws(LivemigError) {
        var status = statvfs()
        let path = folder.path
        try SystemCall.check("statvfs", at: path) { unsafe statvfs(path, &status) }
        let (free, overflow) = UInt64(status.f_bavail).multipliedReportingOverflow(
            by: UInt64(status.f_frsize))
        let needed = ByteCount(try memory.populated.bytes &+ spare)
        guard !overflow, free < needed.bytes else { return }
        throw LivemigError(
            .diskSpace,
            "the guest needs \(needed) on disk to be saved, \(ByteCount(free)) are free", at: path,
            fix: "free disk space there, or move or stop the guest instead")
    }

    /// Writes a guest that stands still to the file that does not count yet.
    ///
    /// - Parameters:
    ///   - memory: guest RAM.
    ///   - state: the device state.
    ///   - identity: whose guest it is.
    ///   - wasRunning: whether it is to run again.
    ///   - folder: the VM's folder.
    ///   - progress: told about each MiB.
    /// - Throws: `E-DISKSPACE`, `E-IO` for memory or a disk that fails, `E-FSYNC`, and what
    ///   `progress` throws; the file is gone then.
    public static func write(
        _ memory: borrowing GuestMemoryFile, state: [UInt8], _ identity: SavedHeader.Identity,
        wasRunning: Bool, in folder: MachineFolder, _ progress: Progress
    ) throws(LivemigError) {
        let path = folder.unfinishedSave
        _ = unsafe unlink(path)
        do throws(LivemigError) {
            try requireRoom(for: memory, in: folder)
            let file = try OwnedDescriptor.open(path, O_WRONLY | O_CREAT | O_EXCL, as: .io)
            var header = SavedHeader(
                identity: identity, secret: .random(in: .min ... .max), digest: .zero,
                stateBytes: UInt64(state.count),
                stateChecksum: unsafe Checksum.of(state.span.bytes), wasRunning: wasRunning,
                time: UInt64(max(0, Glibc.time(nil))))
            let number = file.number
            try SystemCall.check("ftruncate", at: path) {
                ftruncate(number, off_t(header.fileBytes))
            }
            let source = memory.descriptor.number
            let start = SavedHeader.size
            var unsynchronized = 0
            header.digest = try unsafe copy(
                from: source, range: 0..<Int(memory.size.bytes), header.secret,
                at: "guest RAM", total: try memory.populated.bytes, progress
            ) { (pages, offset) throws(LivemigError) in
                try unsafe writeAll(pages, to: number, at: start + offset, path)
                // Else all that the system has put off is waited for at the end, in silence.
                unsynchronized += pages.count
                guard unsynchronized >= synchronizedBytes else { return }
                unsynchronized = 0
                try SystemCall.check("fdatasync", at: path, as: .fsync) { fdatasync(number) }
            }
            try writeAll(state, to: number, at: start + Int(memory.size.bytes), path)
            try writeAll(header.encoded, to: number, at: 0, path)
            try SystemCall.check("fsync", at: path, as: .fsync) { fsync(number) }
        } catch {
            _ = unsafe unlink(path)
            throw error.code == .resource
                ? LivemigError(.diskSpace, error.what, at: error.place, fix: "free disk space")
                : error
        }
    }

    /// Reads the header of a saved guest, and insists that it is whole and the one that is meant.
    /// - Throws: `E-SAVEDFILE` for a file that is torn, damaged or another guest's, or that others
    ///   may read or write.
    public static func header(
        of path: String, _ expected: SavedHeader.Identity
    ) throws(LivemigError) -> SavedHeader {
        try header(of: try PrivateFile.open(path, O_RDONLY, as: .savedFile), path, expected)
    }

    private static func header(
        of file: borrowing OwnedDescriptor, _ path: String, _ expected: SavedHeader.Identity
    ) throws(LivemigError) -> SavedHeader {
        let header: SavedHeader
        do throws(LivemigError) {
            header = try SavedHeader(
                decoding: try readUp(to: SavedHeader.size, from: file.number, at: 0, path))
            try header.require(expected)
        } catch {
            throw error.at(path)
        }
        let number = file.number
        let size = try SystemCall.check("lseek", at: path) { lseek(number, 0, SEEK_END) }
        guard UInt64(size) == header.fileBytes else {
            throw SavedHeader.refusal(
                "the saved guest has \(size) bytes, \(header.fileBytes) were written", at: path)
        }
        return header
    }

    /// Puts a saved guest's memory back.
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - expected: whose guest it must be.
    ///   - memory: guest RAM, all zeros.
    ///   - progress: told about each MiB.
    /// - Returns: the header, and the device state.
    /// - Throws: `E-SAVEDFILE` as `header`, and for content that is not what was saved; `E-NOMEM`
    ///   when the host runs out of memory; what `progress` throws.
    public static func read(
        _ path: String, _ expected: SavedHeader.Identity, into memory: borrowing GuestMemoryFile,
        _ progress: Progress
    ) throws(LivemigError) -> (SavedHeader, state: [UInt8]) {
        let file = try PrivateFile.open(path, O_RDONLY, as: .savedFile)
        let header = try header(of: file, path, expected)
        let (start, end) = (SavedHeader.size, SavedHeader.size + Int(memory.size.bytes))
        var status = stat()
        let number = file.number
        try SystemCall.check("fstat", at: path) { unsafe fstat(number, &status) }
        let allocated = UInt64(max(0, status.st_blocks)) * 512
        let digest = try unsafe copy(
            from: number, range: start..<end, header.secret, at: path,
            total: min(allocated, memory.size.bytes), progress
        ) { (pages, offset) throws(LivemigError) in
            let page = UInt64(offset) / GuestMemoryFile.pageSize
            guard unsafe memory.write(pages, toPage: page) else {
                throw LivemigError(
                    .memory, "the host has no memory left for the saved guest", at: path,
                    fix: "free memory, then start the VM again")
            }
        }
        let state = try readUp(to: Int(header.stateBytes), from: number, at: end, path)
        guard digest == header.digest, unsafe header.stateChecksum == Checksum.of(state.span.bytes)
        else {
            throw SavedHeader.refusal("the saved guest differs from what was written", at: path)
        }
        return (header, state)
    }

    /// Takes a run of pages, and where in guest RAM they belong.
    private typealias Taker = (
        UnsafeRawBufferPointer, _ offset: Int
    ) throws(LivemigError) -> Void

    /// Hands on the pages in a range of a file that are not zeros.
    /// - Returns: their digest.
    private static func copy(
        from file: CInt, range: Range<Int>, _ secret: UInt64, at place: String, total: UInt64,
        _ progress: Progress, _ take: Taker
    ) throws(LivemigError) -> Bits128 {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: chunk, alignment: 4096)
        defer { unsafe buffer.deallocate() }
        let (key, page) = (PageHashKey(secret: secret), PageGeometry.pageSize)
        var (digest, done, offset) = (ImageDigest(), UInt64(0), range.lowerBound)
        while offset < range.upperBound,
            let extent = try DataExtents.next(in: file, from: offset),
            extent.lowerBound < range.upperBound
        {
            // Blocks of a file system may be smaller than pages.
            offset = max(offset, extent.lowerBound / page * page)
            let end = min(range.upperBound, (extent.upperBound + page - 1) / page * page)
            while offset < end {
                let part = unsafe UnsafeMutableRawBufferPointer(
                    rebasing: buffer[..<min(chunk, end - offset)])
                try unsafe fill(part, from: file, at: offset, place)
                try unsafe handOn(
                    UnsafeRawBufferPointer(part), at: offset - range.lowerBound, key, &digest, take)
                offset += part.count
                done += UInt64(part.count)
                try progress(min(done, total), total)
            }
        }
        return digest.bits
    }

    /// Hashes pages, and hands on the runs of those that are not zeros.
    @unsafe
    private static func handOn(
        _ pages: UnsafeRawBufferPointer, at offset: Int, _ key: PageHashKey,
        _ digest: inout ImageDigest, _ take: Taker
    ) throws(LivemigError) {
        guard let start = pages.baseAddress else { return }
        let size = PageGeometry.pageSize
        var run: Range<Int>?
        for position in stride(from: 0, to: pages.count, by: size) {
            let page = UInt64((offset + position) / size)
            let hash = unsafe key.hash(at: start + position, page: page)
            if hash != key.zeroPage(page) {
                digest.replace(page: page, old: PageHashKey.neverSent, new: hash)
                run = (run?.lowerBound ?? position)..<position + size
            } else if let whole = run {
                run = nil
                try unsafe take(.init(rebasing: pages[whole]), offset + whole.lowerBound)
            }
        }
        if let run { try unsafe take(.init(rebasing: pages[run]), offset + run.lowerBound) }
    }

    // MARK: Files

    @unsafe
    private static func fill(
        _ buffer: UnsafeMutableRawBufferPointer, from file: CInt, at offset: Int, _ place: String
    ) throws(LivemigError) {
        var done = 0
        while done < buffer.count {
            let count = try SystemCall.check("pread", at: place) {
                unsafe pread(
                    file, buffer.baseAddress.map { unsafe $0 + done }, buffer.count - done,
                    off_t(offset + done))
            }
            guard count > 0 else { throw SavedHeader.refusal("the file ends early", at: place) }
            done += count
        }
    }

    private static func readUp(
        to count: Int, from file: CInt, at offset: Int, _ place: String
    ) throws(LivemigError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let result = unsafe bytes.withUnsafeMutableBytes { buffer in
            Result { () throws(LivemigError) in
                try unsafe fill(buffer, from: file, at: offset, place)
            }
        }
        try result.get()
        return bytes
    }

    private static func writeAll(
        _ bytes: [UInt8], to file: CInt, at offset: Int, _ place: String
    ) throws(LivemigError) {
        let result = unsafe bytes.withUnsafeBytes { buffer in
            Result { () throws(LivemigError) in
                try unsafe writeAll(buffer, to: file, at: offset, place)
            }
        }
        try result.get()
    }

    @unsafe
    private static func writeAll(
        _ bytes: UnsafeRawBufferPointer, to file: CInt, at offset: Int, _ place: String
    ) throws(LivemigError) {
        var done = 0
        while done < bytes.count {
            done += try SystemCall.check("pwrite", at: place) {
                unsafe pwrite(
                    file, bytes.baseAddress.map { unsafe $0 + done }, bytes.count - done,
                    off_t(offset + done))
            }
        }
    }
}
