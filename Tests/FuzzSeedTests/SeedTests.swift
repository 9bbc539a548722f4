import FuzzTargets
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// Every input that is kept in `Tests/Fuzz/Seeds`: real ones, and those that once broke something.
@Suite("Fuzz seeds")
struct SeedTests {
    // Breaks when an input that was once a finding, or a real one, traps, hangs or breaks a
    // promise of its target.
    @Test("every kept input gets an answer", arguments: FuzzTarget.allCases)
    func replay(target: FuzzTarget) throws {
        let seeds = try Seeds.all(of: target)
        let outcomes = try within(.seconds(60), "\(target)") {
            try seeds.map { seed in
                do throws(BrokenPromise) {
                    return try target.run(seed.bytes)
                } catch {
                    throw LivemigError(.internal, "\(error)", at: "Seeds/\(target)/\(seed.name)")
                }
            }
        }
        // Fuzzing that never gets beyond the first check would find nothing.
        #expect(outcomes.contains(.accepted), "no seed of \(target) is accepted")
        #expect(outcomes.contains(.refused), "no seed of \(target) is refused")
    }

    // Breaks when a change of a format leaves seeds behind that no longer reach what they are for.
    // `LIVEMIG_REGENERATE_SEEDS=1` in the environment of the test run writes them anew.
    @Test("real inputs are accepted", arguments: FuzzTarget.allCases)
    func samples(target: FuzzTarget) throws {
        for sample in try SeedSamples.of(target) {
            #expect(try target.run(sample.bytes) == .accepted, "\(target), \(sample.name)")
            if Repository.isSet("LIVEMIG_REGENERATE_SEEDS") {
                try Seeds.write(sample, of: target)
            }
            let kept = try Seeds.all(of: target).first { $0.name == sample.name }
            #expect(kept?.bytes == sample.bytes, "Seeds/\(target)/\(sample.name) is out of date")
        }
    }

    // Breaks when any bytes at all trap, however they came about: a short run of what the fuzzer
    // does for hours.
    @Test("damaged inputs get an answer", arguments: FuzzTarget.allCases)
    func damaged(target: FuzzTarget) throws {
        let seeds = try Seeds.all(of: target)
        try within(.seconds(60), "\(target)") {
            var random = Seeded(0xF022)
            for seed in seeds where !seed.bytes.isEmpty {
                for _ in 0..<20 { _ = try target.run(Self.damage(seed.bytes, &random)) }
            }
        }
    }

    private static func damage(_ seed: [UInt8], _ random: inout Seeded) -> [UInt8] {
        var bytes = seed
        for _ in 0...random.below(4) where !bytes.isEmpty {
            let place = random.below(bytes.count)
            switch random.below(4) {
            case 0: bytes[place] ^= 1 << random.below(8)
            case 1: bytes[place] = [0, 1, 0x7F, 0x80, 0xFF][random.below(5)]
            case 2: bytes.removeSubrange(place..<min(bytes.count, place + 1 + random.below(8)))
            default: bytes.insert(contentsOf: random.bytes(1 + random.below(8)), at: place)
            }
        }
        return bytes
    }
}
