public import MigrationModel

/// Asks a host what it has that only one VM of a fleet may have; answered by `ClaimsMessage`.
///
/// | field | type |
/// | --- | --- |
/// | uuid | 16 bytes |
/// | name | VM name |
/// | macs | list of texts |
/// | images | list of texts |
public struct FindClaims: WireMessage, Hashable {
    public static let type = FrameType.findClaims
    /// What is looked for.
    public let subject: Claims.Subject

    /// Asks.
    public init(_ subject: Claims.Subject) { self.subject = subject }

    public func encode(into writer: inout WireWriter) {
        writer.bits(subject.uuid.bits)
        writer.text(subject.name.text)
        writer.list(subject.macs) { $0.text($1, limit: WireLimits.word) }
        writer.list(subject.images) { $0.text($1) }
    }

    public init(from reader: inout WireReader) throws(WireError) {
        let uuid = VMUUID(try reader.bits())
        let name = try reader.vmName()
        let macs = try reader.list(limit: WireLimits.devices) { (reader) throws(WireError) in
            try reader.text(limit: WireLimits.word)
        }
        let images = try reader.list(limit: WireLimits.devices) { (reader) throws(WireError) in
            try reader.text()
        }
        subject = Claims.Subject(uuid: uuid, name: name, macs: macs, images: images)
    }
}

/// What a host has in common with a VM.
///
/// | field | type |
/// | --- | --- |
/// | remembered | optional right |
/// | machines | list: VM name, uuid, right, peer text 512, state text, defined flag, MACs, images |
/// | damaged | list of VMs that cannot be read |
public struct ClaimsMessage: WireMessage, Hashable {
    public static let type = FrameType.claims
    /// The claims.
    public let claims: Claims

    /// Answers.
    public init(_ claims: Claims) { self.claims = claims }

    public func encode(into writer: inout WireWriter) {
        writer.optional(claims.remembered) { $0.right($1) }
        writer.list(claims.machines) { writer, machine in
            writer.text(machine.name.text)
            writer.bits(machine.uuid.bits)
            writer.right(machine.right)
            writer.text(machine.peer, limit: OwnershipRecord.peerLimit)
            writer.text(machine.state.rawValue)
            writer.flag(machine.isDefined)
            writer.list(machine.macs) { $0.text($1, limit: WireLimits.word) }
            writer.list(machine.images) { $0.text($1) }
        }
        writer.list(claims.damaged) { $0.damaged($1) }
    }

    public init(from reader: inout WireReader) throws(WireError) {
        let remembered = try reader.optional { (reader) throws(WireError) in try reader.right() }
        let machines = try reader.list(limit: WireLimits.machines) { (reader) throws(WireError) in
            try Self.machine(from: &reader)
        }
        let damaged = try reader.list(limit: WireLimits.damaged) { (reader) throws(WireError) in
            try reader.damaged()
        }
        claims = Claims(remembered: remembered, machines: machines, damaged: damaged)
    }

    private static func machine(
        from reader: inout WireReader
    ) throws(WireError) -> Claims.Machine {
        let name = try reader.vmName()
        let uuid = VMUUID(try reader.bits())
        let right = try reader.right()
        let peer = try reader.text(limit: OwnershipRecord.peerLimit)
        guard let state = GuestLocation.State(rawValue: try reader.text()) else {
            throw .field("state")
        }
        let isDefined = try reader.flag()
        let macs = try reader.list(limit: WireLimits.devices) { (reader) throws(WireError) in
            try reader.text(limit: WireLimits.word)
        }
        let images = try reader.list(limit: WireLimits.devices) { (reader) throws(WireError) in
            try reader.text()
        }
        return Claims.Machine(
            name: name, uuid: uuid, right: right, peer: peer, state: state, isDefined: isDefined,
            macs: macs, images: images)
    }
}
