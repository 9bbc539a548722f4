import Hypervisor
import MigrationModel
import TestSupport
import Testing

@testable import QEMU

/// Definitions that no QEMU of this host starts, found out without starting them.
@Suite struct RehearsalTests {
    private static let launcher = Guest.launcher(library: "/nonexistent")

    private static func rehearse(_ definition: VMDefinition) throws {
        try launcher.rehearse(definition, in: MachineFolder(path: "/nonexistent"))
    }

    private static func definition(
        vcpus: Int = 1, memory: ByteCount = .mebibytes(64), machine: String = "q35",
        cpu: String? = "qemu64", kind: VMDefinition.Kind = .qemu
    ) throws -> VMDefinition {
        var definition = VMDefinition(
            name: try VMName("guest"), uuid: VMUUID(.zero), kind: kind, memory: memory)
        definition.vcpus = vcpus
        definition.boot.machine = machine
        definition.cpuModel = cpu
        return definition
    }

    /// What is wrong with a definition, and words that QEMU must say about it.
    struct Fault: Sendable, CustomTestStringConvertible {
        let words: String
        let vcpus: Int
        let memory: ByteCount
        let machine: String
        let cpu: String?

        init(
            _ words: String, vcpus: Int = 1, memory: ByteCount = .mebibytes(64),
            machine: String = "q35", cpu: String? = "qemu64"
        ) {
            self.words = words
            self.vcpus = vcpus
            self.memory = memory
            self.machine = machine
            self.cpu = cpu
        }

        var testDescription: String { words }
    }

    private static let faults = [
        Fault("max CPUs supported by machine", vcpus: 300),
        Fault("max CPUs supported by machine", vcpus: 2, machine: "isapc", cpu: "486"),
        Fault("phys-bits too low", memory: ByteCount(2 << 40)),
        Fault("unable to find CPU model", cpu: "nosuchcpu"),
    ]

    // Breaks when QEMU's refusal is not seen, or its words are lost.
    @Test(arguments: faults) func refused(_ fault: Fault) throws {
        let definition = try Self.definition(
            vcpus: fault.vcpus, memory: fault.memory, machine: fault.machine, cpu: fault.cpu)
        let error = try #require(throws: LivemigError.self) {
            try Self.rehearse(definition)
        }
        #expect(error.code == .qemu && error.what.contains(fault.words), "\(error)")
    }

    // Breaks when a definition that QEMU starts is refused.
    @Test func accepted() throws {
        try Self.rehearse(Self.definition(vcpus: 64, cpu: nil))
        try Self.rehearse(Self.definition(memory: ByteCount(512 << 30)))
        // With hardware virtualisation or without.
        #expect(throws: LivemigError.self) {
            try Self.rehearse(Self.definition(vcpus: 300, kind: .kvm))
        }
    }

    // Breaks when a type that the host's QEMU does not have is accepted.
    @Test func unknownMachine() throws {
        let error = try #require(throws: LivemigError.self) {
            try Self.rehearse(Self.definition(machine: "pc-q35-99.9"))
        }
        #expect(error.code == .machine)
    }
}
