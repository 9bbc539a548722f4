import MigrationModel

/// The state of a reference guest's vCPUs and devices: all that its RAM does not hold.
///
/// On the wire little-endian 64-bit words: 0 magic `LMSYNDEV`, 1 version, 2 total bytes, 3–12 what
/// the guest is (RAM pages, fill, working set, content, change, writers, zero, seed, vCPUs, state
/// size), 13 rate, 14–16 heartbeat, 17–80 steps of up to 64 writers, then a wall of registers whose
/// values follow from the rest, and a checksum as the last word.
struct DeviceState: Hashable, Sendable {
    var rate: WorkloadParameters.Rate
    var heartbeat: Heartbeat
    /// One number for each writer.
    var steps: [UInt64]

    private static let magic: UInt64 = 0x5645_444E_5953_4D4C
    private static let version: UInt64 = 1
    private static let identityWord = 3
    private static let rateWord = 13
    private static let stepsWord = 17
    private static let registersWord = 81
    private static let wordSize = 8

    /// What both guests must be started with alike, and how errors name it.
    private static func identity(
        _ parameters: WorkloadParameters, vcpus: Int
    ) -> [(name: String, value: UInt64)] {
        [
            ("RAM pages", UInt64(parameters.pageCount)), ("fill", UInt64(parameters.fillPages)),
            ("ws", UInt64(parameters.workingSetPages)), ("content", parameters.content.rawValue),
            ("change", parameters.change.rawValue), ("writers", UInt64(parameters.writers)),
            ("zero", parameters.zeroEvery), ("seed", parameters.seed), ("vCPUs", UInt64(vcpus)),
            ("state", UInt64(parameters.stateSize)),
        ]
    }

    /// The state as bytes, `parameters.stateSize` of them.
    func encoded(_ parameters: WorkloadParameters, vcpus: Int) -> [UInt8] {
        var words = [UInt64](repeating: 0, count: parameters.stateSize / Self.wordSize)
        (words[0], words[1], words[2]) = (Self.magic, Self.version, UInt64(parameters.stateSize))
        for (index, item) in Self.identity(parameters, vcpus: vcpus).enumerated() {
            words[Self.identityWord + index] = item.value
        }
        words[Self.rateWord] = rate.bytesPerSecond
        words[Self.rateWord + 1] = heartbeat.count
        words[Self.rateWord + 2] = heartbeat.time
        words[Self.rateWord + 3] = heartbeat.pagesRewritten
        for (index, count) in steps.enumerated() { words[Self.stepsWord + index] = count }
        let last = words.count - 1
        let key = Self.registerKey(words)
        for index in Self.registersWord..<last {
            words[index] = Mixing.mix(key &+ UInt64(index))
        }
        words[last] = Self.checksum(words)
        return Self.bytes(of: words)
    }

    /// Reads a state.
    ///
    /// - Parameters:
    ///   - bytes: exactly the state.
    ///   - parameters: what the receiving guest was started with.
    ///   - vcpus: the number of its vCPUs.
    /// - Throws: `E-DEVICE-STATE` saying why the state is refused.
    init(
        decoding bytes: [UInt8], _ parameters: WorkloadParameters, vcpus: Int
    ) throws(LivemigError) {
        guard bytes.count == parameters.stateSize else {
            throw Self.refusal(
                "\(bytes.count < parameters.stateSize ? "truncated" : "oversized"): "
                    + "\(bytes.count) bytes instead of \(parameters.stateSize)")
        }
        let words = Self.words(of: bytes)
        guard words[0] == Self.magic else { throw Self.refusal("not a device state: bad magic") }
        guard words[1] == Self.version else { throw Self.refusal("version \(words[1]) unknown") }
        let last = words.count - 1
        guard words[last] == Self.checksum(words) else { throw Self.refusal("checksum differs") }
        for (index, item) in Self.identity(parameters, vcpus: vcpus).enumerated() {
            let value = words[Self.identityWord + index]
            guard value == item.value else {
                throw Self.refusal("\(item.name) is \(value), this guest has \(item.value)")
            }
        }
        let key = Self.registerKey(words)
        for index in Self.registersWord..<last
        where words[index] != Mixing.mix(key &+ UInt64(index)) {
            throw Self.refusal("register \(index - Self.registersWord) differs")
        }
        rate = .init(bytesPerSecond: words[Self.rateWord])
        heartbeat = Heartbeat()
        heartbeat.count = words[Self.rateWord + 1]
        heartbeat.time = words[Self.rateWord + 2]
        heartbeat.pagesRewritten = words[Self.rateWord + 3]
        let writers = ExpectedMemory(parameters).parts.count
        steps = Array(words[Self.stepsWord..<Self.stepsWord + writers])
    }

    init(rate: WorkloadParameters.Rate, heartbeat: Heartbeat, steps: [UInt64]) {
        self.rate = rate
        self.heartbeat = heartbeat
        self.steps = steps
    }

    private static func refusal(_ what: String) -> LivemigError {
        LivemigError(.deviceState, "device state refused: \(what)")
    }

    /// Registers follow from everything before them.
    private static func registerKey(_ words: [UInt64]) -> UInt64 {
        words[..<registersWord].reduce(0) { mix($0, $1) }
    }

    private static func checksum(_ words: [UInt64]) -> UInt64 {
        words.dropLast().reduce(0x4C4D) { mix($0, $1) }
    }

    /// A bijection of either argument, so that one changed word always changes the result.
    private static func mix(_ sum: UInt64, _ word: UInt64) -> UInt64 {
        let product = (sum ^ word) &* 0xBF58_476D_1CE4_E5B9
        return product ^ product >> 29
    }

    private static func bytes(of words: [UInt64]) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: words.count * wordSize) { buffer, count in
            for (index, word) in words.enumerated() {
                unsafe UnsafeMutableRawBufferPointer(buffer).storeBytes(
                    of: word.littleEndian, toByteOffset: index * wordSize, as: UInt64.self)
            }
            count = words.count * wordSize
        }
    }

    private static func words(of bytes: [UInt8]) -> [UInt64] {
        unsafe bytes.withUnsafeBytes { buffer in
            (0..<buffer.count / wordSize).map {
                unsafe UInt64(
                    littleEndian: buffer.loadUnaligned(
                        fromByteOffset: $0 * wordSize, as: UInt64.self))
            }
        }
    }
}
