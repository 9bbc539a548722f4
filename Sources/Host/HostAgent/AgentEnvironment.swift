import CLinux
import Glibc
import GuestMemory
public import Hypervisor
import LinuxSystem
public import MigrationModel
import QEMU
import SyntheticVM
import SystemPackage

/// What every part of an agent works with: its root, its own program, and the hypervisors.
public struct AgentEnvironment: Sendable {
    /// The host's folder.
    public let root: HostRoot
    /// The agent's own program file.
    public let program: String
    /// The library that is loaded into hypervisors.
    let library: String
    let qemu: QEMULauncher
    let synthetic: SyntheticLauncher

    /// Finds the parts that belong to the running agent.
    /// - Throws: `E-PRELOAD` when the library is missing.
    public init(root: HostRoot) throws(LivemigError) {
        self.root = root
        program = try Self.ownProgram()
        library = try PreloadLibrary.locate(besides: program)
        qemu = QEMULauncher(preloadLibrary: library)
        let folder = program.split(separator: "/").dropLast().map { "/" + $0 }.joined()
        synthetic = SyntheticLauncher(
            program: folder + "/livemig-synthetic-guest", library: library)
    }

    /// What starts a VM of a kind.
    public func launcher(for kind: VMDefinition.Kind) -> any MachineLauncher {
        switch kind {
        case .kvm, .qemu: qemu
        case .synthetic: synthetic
        }
    }

    /// The version of this host's QEMU.
    func qemuVersion() throws(LivemigError) -> String {
        try qemu.version(
            for: VMDefinition(
                name: try VMName("probe"), uuid: VMUUID(Bits128(high: 0, low: 0)), kind: .qemu,
                memory: .mebibytes(1)))
    }

    private static func ownProgram() throws(LivemigError) -> String {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = try SystemCall.checkNegated("readlink", at: "/proc/self/exe") {
            unsafe buffer.withUnsafeMutableBytes {
                unsafe clinux_own_program($0.baseAddress, $0.count)
            }
        }
        return String(decoding: buffer.prefix(Int(count)), as: UTF8.self)
    }
}
