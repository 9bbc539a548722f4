/// What a host has that only one VM of a fleet may have.
public struct Claims: Hashable, Sendable {
    /// Whose claims on what is to be one of a kind are asked for.
    public struct Subject: Hashable, Sendable {
        /// The VM.
        public var uuid: VMUUID
        /// Its name.
        public var name: VMName
        /// The MAC addresses of its interfaces.
        public var macs: [String]
        /// The images that it writes.
        public var images: [String]

        /// Names what is looked for.
        public init(uuid: VMUUID, name: VMName, macs: [String], images: [String]) {
            self.uuid = uuid
            self.name = name
            self.macs = macs
            self.images = images
        }

        /// What a definition claims.
        public init(_ definition: VMDefinition) {
            self.init(
                uuid: definition.uuid, name: definition.name,
                macs: definition.interfaces.map(\.mac),
                images: definition.disks.filter { !$0.readOnly }.map(\.path))
        }
    }

    /// A VM of the host that has something in common with the subject.
    public struct Machine: Hashable, Sendable {
        /// The name there.
        public var name: VMName
        /// The identity.
        public var uuid: VMUUID
        /// The host's right to run it.
        public var right: Right
        /// The other host of the record; empty where there is none.
        public var peer: String
        /// What the guest does.
        public var state: GuestLocation.State
        /// Whether it is defined there; only its record is left of a VM that has gone.
        public var isDefined: Bool
        /// The MAC addresses that both have; all of the subject's own.
        public var macs: [String]
        /// The images that both write; all that the subject writes.
        public var images: [String]

        /// States a VM.
        public init(
            name: VMName, uuid: VMUUID, right: Right, peer: String = "",
            state: GuestLocation.State, isDefined: Bool = true, macs: [String] = [],
            images: [String] = []
        ) {
            self.name = name
            self.uuid = uuid
            self.right = right
            self.peer = peer
            self.state = state
            self.isDefined = isDefined
            self.macs = macs
            self.images = images
        }
    }

    /// The last right that the host remembers of the subject, beside its record.
    public var remembered: Right?
    /// The VMs that have something in common with the subject, the subject itself included.
    public var machines: [Machine]
    /// VMs of the subject's name or identity that the host cannot read.
    public var damaged: [DamagedMachine]

    /// States claims.
    public init(
        remembered: Right? = nil, machines: [Machine] = [], damaged: [DamagedMachine] = []
    ) {
        self.remembered = remembered
        self.machines = machines
        self.damaged = damaged
    }

    /// The highest epoch at which the host knows a VM; `nil` where it never heard of it.
    public func epoch(of uuid: VMUUID) -> Epoch? {
        let records = machines.filter { $0.uuid == uuid && $0.right != .none }.map(\.right.epoch)
        return (records + [remembered?.epoch].compactMap(\.self)).max()
    }
}
