import PageCodec
import TestSupport
import Testing

/// What guest data costs with a codec, in nanoseconds per byte of it, and what it shrinks to.
private struct Work: Sendable {
    var nanoseconds: Double
    var ratio: Double
}

/// Costs as measured with the real encoder on one core.
private enum Data: Sendable {
    case text, random

    func work(_ codec: Codec) -> Work {
        switch (self, codec) {
        case (_, .none): Work(nanoseconds: 0.1, ratio: 1)
        case (.text, .lz4): Work(nanoseconds: 1.4, ratio: 2.1)
        case (.text, .zstd): Work(nanoseconds: 2.8, ratio: 4.2)
        case (.random, .lz4): Work(nanoseconds: 0.35, ratio: 1)
        case (.random, .zstd): Work(nanoseconds: 0.9, ratio: 1)
        }
    }
}

/// A lane in simulated time: an encoder, a buffer that fills at once, a wire that drains it.
private struct Lane {
    /// Bytes per nanosecond.
    var rate: Double
    var buffer: Double
    var noise: Double = 0
    var random = Seeded(17)
    private(set) var now = 0.0
    private var queued = 0.0

    init(bitsPerSecond: Double, buffer: Double = 1_048_576, noise: Double = 0) {
        rate = bitsPerSecond / 8e9
        self.buffer = buffer
        self.noise = noise
    }

    /// Sends a batch and returns what encoding and writing took.
    mutating func send(_ bytes: Double, _ work: Work) -> Duration {
        let start = now
        let jitter = 1 + noise * (Double(random.next() % 2001) / 1000 - 1)
        pass(bytes * work.nanoseconds * jitter)
        let encoded = bytes / work.ratio
        if queued + encoded > buffer { pass((queued + encoded - buffer) / rate) }
        queued += encoded
        pass(encoded * 0.05)
        return .nanoseconds(Int64(now - start))
    }

    private mutating func pass(_ nanoseconds: Double) {
        now += nanoseconds
        queued = max(0, queued - nanoseconds * rate)
    }
}

private let batchBytes = 64 * PageGeometry.pageSize

/// Sends batches and counts them by codec.
private func run(
    _ chooser: inout CodecChooser, _ lane: inout Lane, _ data: Data, batches: Int
) -> [Codec: Int] {
    var counts: [Codec: Int] = [:]
    for _ in 0..<batches {
        let work = data.work(chooser.codec)
        counts[chooser.codec, default: 0] += 1
        let elapsed = lane.send(Double(batchBytes), work)
        chooser.record(
            rawBytes: batchBytes, encodedBytes: Int(Double(batchBytes) / work.ratio),
            elapsed: elapsed)
    }
    return counts
}

@Suite("Choice of the codec")
struct CodecChooserTests {
    /// Breaks when the wrong resource is taken for the scarce one, when filling a buffer is taken
    /// for sending, or when losers are probed too often.
    @Test(
        "the fastest codec wins on every link",
        arguments: [
            (100e6, true, Codec.zstd), (1e9, true, .zstd), (4e9, true, .lz4), (25e9, true, .none),
            (80e9, true, .none), (100e6, false, .none), (1e9, false, .none), (80e9, false, .none),
        ],
        [(0.0, 262_144.0), (0.0, 2_097_152), (0.15, 262_144), (0.15, 2_097_152)])
    func links(
        link: (rate: Double, text: Bool, best: Codec), wire: (noise: Double, buffer: Double)
    ) {
        var chooser = CodecChooser(policy: .auto)
        var lane = Lane(bitsPerSecond: link.rate, buffer: wire.buffer, noise: wire.noise)
        let data = link.text ? Data.text : .random
        _ = run(&chooser, &lane, data, batches: 300)
        let before = lane.now
        let counts = run(&chooser, &lane, data, batches: 8000)
        let share = Double(counts[link.best] ?? 0) / 8000
        #expect(share >= 0.94, "\(counts)")
        var ideal = Lane(bitsPerSecond: link.rate)
        for _ in 0..<8000 { _ = ideal.send(Double(batchBytes), data.work(link.best)) }
        #expect(lane.now - before <= ideal.now * 1.10)
    }

    /// Breaks when losers are never measured again: the choice would be for ever.
    @Test("a change of the link or of the data is noticed")
    func drift() {
        var chooser = CodecChooser(policy: .auto)
        var fast = Lane(bitsPerSecond: 80e9)
        var slow = Lane(bitsPerSecond: 100e6)
        _ = run(&chooser, &fast, .text, batches: 2000)
        #expect(chooser.codec == .none)
        _ = run(&chooser, &slow, .text, batches: 300)
        #expect(run(&chooser, &slow, .text, batches: 1000)[.zstd] ?? 0 >= 900)
        _ = run(&chooser, &slow, .random, batches: 300)
        #expect(run(&chooser, &slow, .random, batches: 1000)[.none] ?? 0 >= 900)
        _ = run(&chooser, &fast, .text, batches: 300)
        #expect(run(&chooser, &fast, .text, batches: 1000)[.none] ?? 0 >= 900)
    }

    /// Breaks when the chooser lags so far behind the content that adapting costs more than it
    /// gains.
    @Test("mixed content moves nearly as fast as with the best codec of each stretch")
    func mixedContent() {
        var chooser = CodecChooser(policy: .auto)
        var lane = Lane(bitsPerSecond: 1e9)
        var ideal = Lane(bitsPerSecond: 1e9)
        var raw = Lane(bitsPerSecond: 1e9)
        for stretch in 0..<20 {
            let data = stretch % 2 == 0 ? Data.text : .random
            _ = run(&chooser, &lane, data, batches: 1500)
            for _ in 0..<1500 {
                let best = data == .text ? Codec.zstd : .none
                _ = ideal.send(Double(batchBytes), data.work(best))
                _ = raw.send(Double(batchBytes), data.work(.none))
            }
        }
        #expect(lane.now <= ideal.now * 1.25, "\(lane.now / ideal.now)")
        #expect(lane.now <= raw.now * 0.9)
    }

    /// Breaks when data that does not shrink is compressed because a measurement says it is faster.
    @Test("a ratio below 1.05 is never chosen, whatever it took")
    func incompressible() {
        var chooser = CodecChooser(policy: .auto)
        var counts: [Codec: Int] = [:]
        for _ in 0..<4000 {
            counts[chooser.codec, default: 0] += 1
            let cost: Int64 = chooser.codec == .none ? 2000 : 1000
            chooser.record(
                rawBytes: batchBytes, encodedBytes: batchBytes * 100 / 104,
                elapsed: .microseconds(cost))
        }
        #expect(counts[.none] ?? 0 >= 3600, "\(counts)")
    }

    /// Breaks when a fixed policy is overruled or a batch without data is learnt from.
    @Test(
        "a fixed policy stays",
        arguments: [(CodecPolicy.none, Codec.none), (.lz4, .lz4), (.zstd, .zstd)])
    func fixed(policy: CodecPolicy, codec: Codec) {
        var chooser = CodecChooser(policy: policy)
        var lane = Lane(bitsPerSecond: 80e9)
        #expect(run(&chooser, &lane, .random, batches: 500) == [codec: 500])
        var auto = CodecChooser(policy: .auto)
        let before = auto
        auto.record(rawBytes: 0, encodedBytes: 0, elapsed: .seconds(1))
        auto.record(rawBytes: batchBytes, encodedBytes: batchBytes, elapsed: .seconds(-1))
        #expect(auto == before)
    }

    /// Breaks when anything but the measurements decides.
    @Test("equal measurements give equal choices")
    func determinism() {
        var first = CodecChooser(policy: .auto)
        var second = CodecChooser(policy: .auto)
        var lanes = (Lane(bitsPerSecond: 2e9, noise: 0.3), Lane(bitsPerSecond: 2e9, noise: 0.3))
        _ = run(&first, &lanes.0, .text, batches: 3000)
        _ = run(&second, &lanes.1, .text, batches: 3000)
        #expect(first == second)
    }
}
