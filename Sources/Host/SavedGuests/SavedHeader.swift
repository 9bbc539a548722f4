import GuestMemory
public import MigrationModel
import WireProtocol

/// What the file of a saved guest begins with: 4096 bytes, all numbers little-endian.
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 8 | magic `LMSAVED1` |
/// | 8 | 8 | XXH3-64 of the bytes from 16 on |
/// | 16 | 4 | format, 1 |
/// | 20 | 16 | uuid |
/// | 36 | 8 | epoch of the host's record |
/// | 44 | 8 | guest RAM in bytes |
/// | 52 | 8 | secret of the page hashes |
/// | 60 | 16 | digest of all pages that are not zeros |
/// | 76 | 8 | device state in bytes |
/// | 84 | 8 | XXH3-64 of the device state |
/// | 92 | 1 | whether the guest ran |
/// | 93 | 8 | time, seconds since 1970 |
/// |  |  | zeros to the end |
///
/// Guest RAM follows, with holes for pages of zeros, and then the device state. The header is
/// written last, so a file that was not written whole has none.
public struct SavedHeader: Hashable, Sendable {
    /// The size in bytes: that of a page, so that pages lie on blocks of the disk.
    public static let size = 4096
    private static let magic: [UInt8] = Array("LMSAVED1".utf8)
    /// Magic and checksum.
    private static let head = 16
    private static let format: UInt32 = 1

    /// Whose guest it is.
    public struct Identity: Hashable, Sendable {
        /// The VM.
        public var uuid: VMUUID
        /// The epoch of the record of the host that saved it.
        public var epoch: Epoch
        /// Guest RAM.
        public var memory: ByteCount

        /// States an identity.
        public init(uuid: VMUUID, epoch: Epoch, memory: ByteCount) {
            self.uuid = uuid
            self.epoch = epoch
            self.memory = memory
        }
    }

    /// Whose guest it is.
    public var identity: Identity
    /// The secret of the page hashes, drawn for this file.
    public var secret: UInt64
    /// The digest of all pages but those of zeros.
    public var digest: Bits128
    /// The length of the device state in bytes, at most `WireLimits.deviceState`.
    public var stateBytes: UInt64
    /// The checksum of the device state.
    public var stateChecksum: UInt64
    /// Whether the guest ran when it was saved, and is to run again.
    public var wasRunning: Bool
    /// When it was saved, in seconds since 1970.
    public var time: UInt64

    /// States a header.
    public init(
        identity: Identity, secret: UInt64, digest: Bits128, stateBytes: UInt64,
        stateChecksum: UInt64, wasRunning: Bool, time: UInt64
    ) {
        self.identity = identity
        self.secret = secret
        self.digest = digest
        self.stateBytes = stateBytes
        self.stateChecksum = stateChecksum
        self.wasRunning = wasRunning
        self.time = time
    }

    /// Reads a header.
    /// - Throws: `E-SAVEDFILE` for bytes that are none, or one of another format.
    public init(decoding bytes: [UInt8]) throws(LivemigError) {
        guard bytes.count == Self.size, Array(bytes.prefix(8)) == Self.magic else {
            throw Self.refusal("the file is not a saved guest, or was never written whole")
        }
        do throws(WireError) {
            var reader = unsafe WireReader(bytes.span.bytes.extracting(8...))
            let checksum: UInt64 = try reader.integer()
            guard unsafe checksum == Checksum.of(bytes.span.bytes.extracting(Self.head...)) else {
                throw .headerChecksum
            }
            let format: UInt32 = try reader.integer()
            guard format == Self.format else { throw .field("format \(format)") }
            identity = Identity(
                uuid: VMUUID(try reader.bits()), epoch: Epoch(try reader.integer()),
                memory: ByteCount(try reader.integer()))
            secret = try reader.integer()
            digest = try reader.bits()
            stateBytes = try reader.integer()
            stateChecksum = try reader.integer()
            wasRunning = try reader.flag()
            time = try reader.integer()
        } catch {
            throw Self.refusal("the saved guest's header is damaged: \(error)")
        }
        guard identity.memory.bytes > 0, identity.memory <= GuestMemoryFile.sizeLimit,
            identity.memory.bytes % GuestMemoryFile.pageSize == 0,
            stateBytes <= WireLimits.deviceState
        else { throw Self.refusal("the saved guest's header states sizes that cannot be") }
    }

    /// The 4096 bytes.
    public var encoded: [UInt8] {
        var body = WireWriter()
        body.integer(Self.format)
        body.bits(identity.uuid.bits)
        body.integer(identity.epoch.number)
        body.integer(identity.memory.bytes)
        body.integer(secret)
        body.bits(digest)
        body.integer(stateBytes)
        body.integer(stateChecksum)
        body.flag(wasRunning)
        body.integer(time)
        let padding = Self.size - Self.head - body.bytes.count
        let content = body.bytes + [UInt8](repeating: 0, count: padding)
        var head = WireWriter()
        head.integer(unsafe Checksum.of(content.span.bytes))
        return Self.magic + head.bytes + content
    }

    /// The size of the whole file; sizes that passed the limits do not overflow.
    var fileBytes: UInt64 { UInt64(Self.size) + identity.memory.bytes + stateBytes }

    /// Insists that a guest is the one that a host means to restore.
    /// - Throws: `E-SAVEDFILE` for another VM's, another epoch's or one of another size.
    public func require(_ expected: Identity) throws(LivemigError) {
        guard identity.uuid == expected.uuid else {
            throw Self.refusal("the saved guest is VM \(identity.uuid), not \(expected.uuid)")
        }
        guard identity.epoch == expected.epoch else {
            throw Self.refusal(
                "the guest was saved in epoch \(identity.epoch), the VM is in \(expected.epoch)")
        }
        guard identity.memory == expected.memory else {
            throw Self.refusal(
                "the saved guest has \(identity.memory) of memory, the definition says "
                    + "\(expected.memory)")
        }
    }

    static func refusal(_ what: String, at path: String = "") -> LivemigError {
        LivemigError(
            .savedFile, what, at: path,
            fix: "bring the file back from a backup, or boot afresh with vm start --discard-saved")
    }
}
