import MigrationModel

/// What a guest sees of the hosts' processors and hypervisors.
extension Preflight {
    /// Under KVM the guest runs on the host's processor.
    private var usesProcessor: Bool { machine.kind == .kvm }

    private var cpuModel: String? { machine.cpuModel }

    var architecture: Finding? {
        guard usesProcessor, source.facts.architecture != destination.facts.architecture else {
            return nil
        }
        return Finding(
            .error(.cpu), "the hosts' processors are of different architectures",
            source: source.facts.architecture, destination: destination.facts.architecture,
            fix: "choose a host with the same architecture")
    }

    /// Between makers no model of a processor is the same, whatever their features are called.
    var vendor: Finding? {
        let (here, there) = (source.facts.cpu.vendor, destination.facts.cpu.vendor)
        guard usesProcessor, architecture == nil, here != there else { return nil }
        return Finding(
            .error(.cpu), "the hosts' processors are of different makers",
            source: "\(here) (\(source.facts.cpu.model))",
            destination: "\(there) (\(destination.facts.cpu.model))",
            fix: "choose a host with a processor of \(here.isEmpty ? "the same maker" : here)")
    }

    /// How many missing features are named.
    static let namedFeatures = 8

    /// A guest that has found a feature goes on using it.
    ///
    /// Which of the host's features a named CPU model takes is known to QEMU alone: it is a
    /// warning for such a guest, and an error for one that has them all.
    var features: Finding? {
        guard usesProcessor, vendor == nil, architecture == nil else { return nil }
        let missing = source.facts.cpu.features.subtracting(destination.facts.cpu.features).sorted()
        guard !missing.isEmpty else { return nil }
        let more = missing.count - Self.namedFeatures
        let names =
            missing.prefix(Self.namedFeatures).joined(separator: " ")
            + (more > 0 ? " and \(more) more" : "")
        let isHost = cpuModel == nil || cpuModel == "host"
        return Finding(
            isHost ? .error(.cpu) : .warning(.cpu),
            "\(destination.name)'s processor lacks \(names)", source: source.facts.cpu.model,
            destination: destination.facts.cpu.model,
            fix: isHost
                ? "choose another host, or start the guest with a CPU model that both have"
                : "check that model \(cpuModel ?? "") needs none of them")
    }

    /// Without KVM the model `max` is whatever that release of QEMU can do.
    var emulatedFeatures: Finding? {
        let isMax = cpuModel == nil || cpuModel == "max"
        guard machine.kind == .qemu, isMax, hypervisors != nil else { return nil }
        return Finding(
            .warning(.cpu), "CPU model max differs between releases of QEMU",
            source: source.facts.hypervisor, destination: destination.facts.hypervisor,
            fix: "name a CPU model in the definition, and restart the guest")
    }

    /// QEMU keeps machine types for older releases' guests, so the way to a newer one is tested;
    /// the way back is not (docs/devel/migration/compatibility.rst).
    var hypervisors: Finding? {
        let (here, there) = (source.facts.hypervisor, destination.facts.hypervisor)
        guard machine.kind != .synthetic, here != there else { return nil }
        return Finding(
            .warning(.version), "the hosts' hypervisors differ", source: here, destination: there,
            fix: "install the same release on both")
    }

    var agents: Finding? {
        let (here, there) = (source.facts.agentVersion, destination.facts.agentVersion)
        guard here != there else { return nil }
        return Finding(
            .warning(.version), "the hosts' agents differ", source: here, destination: there,
            fix: "install the same release on both")
    }

    /// A guest that reads its host's clock would see time jump by this much.
    static let clockTolerance: Duration = .seconds(2)

    var clocks: Finding? {
        guard let here = source.clock, let there = destination.clock else { return nil }
        let difference = there.ahead(of: here)
        guard difference.exceeds(Self.clockTolerance) else { return nil }
        let size = difference.size
        let direction = difference.offset < .zero ? "behind" : "ahead of"
        return Finding(
            .warning(.clock),
            "\(destination.name)'s clock is \(size.brief) \(direction) \(source.name)'s",
            fix: "synchronise both hosts' clocks (NTP)")
    }
}
