import Glibc
public import MigrationModel

/// A program that is given some input, and may run for a limited time.
///
/// It leads a session of its own; what it started in it is killed with it.
public struct LimitedProgram: Sendable {
    /// How it ended.
    public enum Ending: Hashable, Sendable {
        /// By itself: its exit code, or 128 + signal number.
        case ended(Int32)
        /// It was killed at the limit.
        case late
        /// It was killed because nobody wants its answer any more.
        case unwanted
    }

    /// How it ended, and what it said last.
    public struct Result: Hashable, Sendable {
        /// How it ended.
        public let ending: Ending
        /// The last line of its standard error that is not blank, at most 256 bytes of it.
        ///
        /// Empty where there is none; not escaped.
        public let lastLine: String
    }

    private let program: String
    private let folder: String

    /// How much of the end of its standard error is kept, in bytes.
    private static let tailLimit = 4096
    /// How much of its last line is told, in bytes.
    private static let lineLimit = 256
    /// How often it is asked whether the answer is still wanted.
    private static let tick: Duration = .milliseconds(100)
    /// Its whole environment.
    private static let environment = ["PATH": searchPath]
    /// The folders in which it finds other programs.
    public static let searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    /// Names a program, and the folder that it runs in.
    public init(_ program: String, in folder: String) {
        self.program = program
        self.folder = folder
    }

    /// Runs it to its end; its standard output goes nowhere, and so does input that it leaves.
    ///
    /// What it leaves running in the background is not waited for. The caller ignores SIGPIPE.
    ///
    /// - Parameters:
    ///   - input: its standard input.
    ///   - limit: how long it may run.
    ///   - code: the kind of error when it cannot be started.
    ///   - isWanted: whether it may go on; asked ten times a second.
    public func run(
        input: [UInt8], limit: Duration, as code: ErrorCode, while isWanted: () -> Bool
    ) throws(LivemigError) -> Result {
        let feed = try OwnedDescriptor.pipe()
        let talk = try OwnedDescriptor.pipe()
        let process = try ChildProcess(
            .init(
                program, environment: Self.environment,
                descriptors: [0: feed.first.number, 2: talk.second.number], folder: folder),
            as: code)
        let (feedReader, feedWriter) = feed.release()
        let (talkReader, talkWriter) = talk.release()
        _ = close(feedReader)
        _ = close(talkWriter)
        var streams = Streams(
            input: input[...], writer: OwnedDescriptorBox(OwnedDescriptor(owning: feedWriter)),
            reader: OwnedDescriptorBox(OwnedDescriptor(owning: talkReader)))
        let deadline = MonotonicTime.now + limit
        var ending: Ending?
        while ending == nil {
            let ready = try Poll.wait(
                streams.interests + [.init(process.handle.number)],
                timeout: min(Self.tick, max(.zero, deadline - .now)))
            try streams.serve(ready)
            if ready.contains(process.handle.number) {
                try streams.drain()
                ending = .ended(process.wait())
            } else if MonotonicTime.now >= deadline {
                ending = .late
            } else if !isWanted() {
                ending = .unwanted
            }
        }
        if case .ended = ending {
        } else {
            process.killGroup()
            _ = process.wait()
        }
        return Result(ending: ending ?? .late, lastLine: streams.lastLine)
    }

    /// What goes in, and what comes out.
    private struct Streams {
        var input: ArraySlice<UInt8>
        var writer: OwnedDescriptorBox?
        var reader: OwnedDescriptorBox?
        var tail: [UInt8] = []

        /// How much is read at once, in bytes.
        static let piece = 16 << 10
        /// How much is read of one that has ended: others may hold its end of the pipe, and talk.
        static let piecesOfTheDead = 8

        var interests: [Poll.Interest] {
            [
                writer.map { .init($0.descriptor.number, POLLOUT) },
                reader.map { .init($0.descriptor.number) },
            ].compactMap { $0 }
        }

        mutating func serve(_ ready: [CInt]) throws(LivemigError) {
            if let writer, ready.contains(writer.descriptor.number) {
                feed(writer.descriptor.number)
            }
            if let reader, ready.contains(reader.descriptor.number) {
                try take(reader.descriptor.number)
            }
        }

        /// A pipe that is ready takes `PIPE_BUF` bytes without waiting (pipe(7)).
        private mutating func feed(_ number: CInt) {
            let part = Array(input.prefix(Int(PIPE_BUF)))
            let count = unsafe part.withUnsafeBytes { bytes in
                unsafe write(number, bytes.baseAddress, bytes.count)
            }
            input = count < 0 ? [] : input.dropFirst(count)
            if input.isEmpty { writer = nil }
        }

        private mutating func take(_ number: CInt) throws(LivemigError) {
            let part = try DescriptorIO.readAvailable(upTo: Self.piece, from: number)
            if part.isEmpty { reader = nil }
            tail = Array((tail + part).suffix(LimitedProgram.tailLimit))
        }

        /// Takes what is there already.
        mutating func drain() throws(LivemigError) {
            for _ in 0..<Self.piecesOfTheDead {
                guard let number = reader?.descriptor.number,
                    try !Poll.wait([.init(number)], timeout: .zero).isEmpty
                else { return }
                try take(number)
            }
        }

        var lastLine: String {
            let lines = tail.split { $0 == 10 || $0 == 13 }.reversed()
            let last = lines.first { $0.contains { $0 != 32 && $0 != 9 } } ?? []
            return String(decoding: last.prefix(LimitedProgram.lineLimit), as: UTF8.self)
        }
    }
}
