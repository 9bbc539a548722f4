// swift-tools-version: 6.2
import PackageDescription

/// The libraries of this package, top to bottom: a target imports only targets above it.
let package = Package(
    name: "livemig",
    products: [
        .executable(name: "livemig", targets: ["livemig"]),
        .executable(name: "livemig-agent", targets: ["livemig-agent"]),
        .executable(name: "livemig-synthetic-guest", targets: ["livemig-synthetic-guest"]),
        .library(name: "guestmemory", type: .dynamic, targets: ["GuestMemoryPreload"]),
        // For the benchmarks, which are a package of their own.
        .library(
            name: "LivemigParts",
            targets: [
                "GuestMemory", "Hypervisor", "LinuxSystem", "PageCodec", "Planner", "SyntheticVM",
                "TestSupport",
            ]),
    ],
    traits: [
        .trait(
            name: "CrashPoints",
            description: "Programs that tests can stop and kill at named points of a move")
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    ],
    targets: core + system + host + controller + programs + tests
)

// MARK: Core: pure, no I/O, no clock, no threads

var core: [Target] {
    [
        .target(name: "MigrationModel", path: "Sources/Core/MigrationModel"),
        .target(
            name: "WireProtocol", dependencies: ["MigrationModel", "CXXHash"],
            path: "Sources/Core/WireProtocol"),
        .target(
            name: "PageCodec", dependencies: ["MigrationModel", "CLZ4", "CZstd", "CXXHash"],
            path: "Sources/Core/PageCodec"),
        .target(
            name: "Ownership", dependencies: ["MigrationModel"], path: "Sources/Core/Ownership"),
        .target(
            name: "Handoff", dependencies: ["MigrationModel", "Ownership"],
            path: "Sources/Core/Handoff"),
        .target(
            name: "Planner", dependencies: ["Handoff", "MigrationModel"],
            path: "Sources/Core/Planner"),
        .target(
            name: "Preflight", dependencies: ["MigrationModel"], path: "Sources/Core/Preflight"),
        .target(
            name: "Simulation", dependencies: ["Handoff", "MigrationModel", "Ownership"],
            path: "Sources/Core/Simulation"),
    ]
}

// MARK: System: one importer per C library, and the kernel

var system: [Target] {
    [
        .systemLibrary(
            name: "CLibSSH", path: "Sources/System/CLibSSH", pkgConfig: "libssh",
            providers: [.apt(["libssh-dev"])]),
        .systemLibrary(
            name: "CLibXML2", path: "Sources/System/CLibXML2", pkgConfig: "libxml-2.0",
            providers: [.apt(["libxml2-dev"])]),
        .systemLibrary(
            name: "CLZ4", path: "Sources/System/CLZ4", pkgConfig: "liblz4",
            providers: [.apt(["liblz4-dev"])]),
        .systemLibrary(
            name: "CZstd", path: "Sources/System/CZstd", pkgConfig: "libzstd",
            providers: [.apt(["libzstd-dev"])]),
        .systemLibrary(
            name: "CXXHash", path: "Sources/System/CXXHash", pkgConfig: "libxxhash",
            providers: [.apt(["libxxhash-dev"])]),
        .target(name: "CLinux", path: "Sources/System/CLinux"),
        .target(name: "CrashPoints", path: "Sources/System/CrashPoints"),
        .target(
            name: "GuestMemoryPreload", dependencies: ["CLinux"],
            path: "Sources/System/GuestMemoryPreload",
            // Loaded into hypervisors: it must not pull the Swift runtime in.
            linkerSettings: [.unsafeFlags(["-static-stdlib", "-nostartfiles"])]),
        .target(
            name: "LinuxSystem", dependencies: ["CLinux", "MigrationModel", systemPackage],
            path: "Sources/System/LinuxSystem"),
        .target(
            name: "FrameTransport",
            dependencies: ["LinuxSystem", "MigrationModel", "WireProtocol"],
            path: "Sources/System/FrameTransport"),
        .target(
            name: "XMLDocuments", dependencies: ["CLibXML2", "MigrationModel"],
            path: "Sources/System/XMLDocuments"),
        .target(
            name: "SSHTransport",
            dependencies: ["CLibSSH", "LinuxSystem", "MigrationModel", systemPackage],
            path: "Sources/System/SSHTransport"),
        .target(
            name: "GuestMemory",
            dependencies: ["CLinux", "LinuxSystem", "MigrationModel", systemPackage],
            path: "Sources/System/GuestMemory"),
    ]
}

// MARK: Host: what runs on a host

var host: [Target] {
    [
        .target(
            name: "VMDefinitions", dependencies: ["MigrationModel", "XMLDocuments"],
            path: "Sources/Host/VMDefinitions", resources: [.embedInCode("Schemas/domain.rng")]),
        .target(
            name: "HostPolicies", dependencies: ["MigrationModel", "XMLDocuments"],
            path: "Sources/Host/HostPolicies", resources: [.embedInCode("Schemas/host.rng")]),
        .target(
            name: "Journal",
            dependencies: [
                "CLinux", "LinuxSystem", "MigrationModel", "Ownership", "WireProtocol",
                systemPackage,
            ],
            path: "Sources/Host/Journal"),
        .target(
            name: "Hypervisor",
            dependencies: [
                "CLinux", "GuestMemory", "LinuxSystem", "MigrationModel", systemPackage,
            ],
            path: "Sources/Host/Hypervisor"),
        .target(
            name: "GuestFiles",
            dependencies: [
                "CLinux", "Hypervisor", "LinuxSystem", "MigrationModel", systemPackage,
            ],
            path: "Sources/Host/GuestFiles"),
        .target(
            name: "QEMU",
            dependencies: [
                "CLinux", "GuestFiles", "GuestMemory", "Hypervisor", "LinuxSystem",
                "MigrationModel",
                systemPackage,
            ],
            path: "Sources/Host/QEMU"),
        .target(
            name: "SyntheticVM",
            dependencies: [
                "GuestMemory", "Hypervisor", "LinuxSystem", "MigrationModel", systemPackage,
            ],
            path: "Sources/Host/SyntheticVM"),
        .target(
            name: "SavedGuests",
            dependencies: [
                "GuestMemory", "Hypervisor", "LinuxSystem", "MigrationModel", "PageCodec",
                "WireProtocol", systemPackage,
            ],
            path: "Sources/Host/SavedGuests"),
        .target(
            name: "Guardian",
            dependencies: [
                "CrashPoints", "GuestMemory", "Handoff", "Hypervisor", "Journal", "LinuxSystem",
                "MigrationModel", "Ownership", "SavedGuests", "WireProtocol", systemPackage,
                logging,
            ],
            path: "Sources/Host/Guardian"),
        .target(
            name: "MigrationEngine",
            dependencies: [
                "FrameTransport", "GuestMemory", "Handoff", "LinuxSystem", "MigrationModel",
                "PageCodec", "WireProtocol", systemPackage,
            ],
            path: "Sources/Host/MigrationEngine"),
        .target(
            name: "HostAgent",
            dependencies: [
                "CLinux", "CrashPoints", "FrameTransport", "GuestFiles", "GuestMemory", "Guardian",
                "Handoff", "HostPolicies", "Hypervisor", "Journal", "LinuxSystem",
                "MigrationEngine",
                "MigrationModel", "Ownership", "PageCodec", "Preflight", "QEMU", "SSHTransport",
                "SavedGuests",
                "SyntheticVM", "VMDefinitions", "WireProtocol", "XMLDocuments", systemPackage,
            ],
            path: "Sources/Host/HostAgent"),
        .target(
            name: "AgentCommands",
            dependencies: [
                "Guardian", "HostAgent", "LinuxSystem", "MigrationModel", argumentParser,
            ],
            path: "Sources/Host/AgentCommands"),
    ]
}

// MARK: Controller: what runs at the operator's

var controller: [Target] {
    [
        .target(
            name: "Inventory", dependencies: ["MigrationModel", "XMLDocuments"],
            path: "Sources/Controller/Inventory", resources: [.embedInCode("Schemas/inventory.rng")]
        ),
        .target(
            name: "History",
            dependencies: ["LinuxSystem", "MigrationModel", systemPackage, sqlite],
            path: "Sources/Controller/History"),
        .target(
            name: "Orchestrator",
            dependencies: [
                "CrashPoints", "FrameTransport", "Handoff", "Inventory", "LinuxSystem",
                "MigrationModel", "Ownership", "Planner", "Preflight", "SSHTransport",
                "WireProtocol", systemPackage,
            ],
            path: "Sources/Controller/Orchestrator"),
        .target(
            name: "Commands",
            dependencies: [
                "CrashPoints", "Handoff", "History", "Inventory", "LinuxSystem", "MigrationModel",
                "Orchestrator", "Planner", "Preflight", "VMDefinitions", "WireProtocol",
                argumentParser,
                systemPackage,
            ],
            path: "Sources/Controller/Commands"),
    ]
}

// MARK: Programs: where the concrete parts meet

var programs: [Target] {
    [
        .executableTarget(name: "livemig", dependencies: ["Commands"], path: "Sources/livemig"),
        .executableTarget(
            name: "livemig-agent", dependencies: ["AgentCommands"],
            path: "Sources/livemig-agent"),
        .executableTarget(
            name: "livemig-synthetic-guest", dependencies: ["SyntheticVM"],
            path: "Sources/livemig-synthetic-guest"),
        .executableTarget(
            name: "livemig-simulate", dependencies: ["Simulation"],
            path: "Sources/livemig-simulate"),
    ]
}

// MARK: Tests: one target beside each target, and the whole product end to end

var tests: [Target] {
    [
        .target(
            name: "TestSupport",
            dependencies: [
                "CLinux", "FrameTransport", "LinuxSystem", "MigrationModel", "WireProtocol",
                systemPackage,
            ],
            path: "Tests/Support"),
        .target(
            name: "FuzzTargets",
            dependencies: [
                "AgentCommands", "FrameTransport", "GuestMemory", "Guardian", "HostPolicies",
                "Inventory", "Journal", "LinuxSystem", "MigrationEngine", "MigrationModel",
                "Ownership", "PageCodec", "QEMU", "SavedGuests", "TestSupport", "VMDefinitions",
                "WireProtocol", argumentParser,
            ],
            path: "Tests/Fuzz/Targets"),
        .testTarget(
            name: "FuzzSeedTests",
            dependencies: [
                "FrameTransport", "FuzzTargets", "Journal", "LinuxSystem", "MigrationModel",
                "Ownership", "PageCodec", "SavedGuests", "TestSupport", "WireProtocol",
            ],
            path: "Tests/FuzzSeedTests"),
        unitTests(of: "MigrationModel"),
        unitTests(of: "WireProtocol", resources: ["Golden"]),
        unitTests(of: "PageCodec"),
        unitTests(of: "Ownership"),
        unitTests(of: "Handoff", "Ownership"),
        unitTests(of: "Preflight"),
        unitTests(of: "Planner"),
        .testTarget(
            name: "SimulationTests", dependencies: ["Simulation"],
            path: "Tests/SimulationTests"),
        .testTarget(name: "TidyTests", dependencies: ["TestSupport"], path: "Tests/TidyTests"),
        unitTests(of: "LinuxSystem"),
        unitTests(of: "XMLDocuments"),
        unitTests(of: "SSHTransport"),
        unitTests(of: "GuestMemory", "CLinux"),
        unitTests(of: "VMDefinitions"),
        unitTests(of: "HostPolicies"),
        unitTests(of: "Journal", "CLinux"),
        unitTests(of: "SavedGuests", "GuestMemory", "Hypervisor"),
        unitTests(of: "GuestFiles", "Hypervisor"),
        unitTests(of: "Guardian", "Hypervisor"),
        unitTests(of: "HostAgent"),
        unitTests(of: "QEMU", "GuestFiles", "Hypervisor", "GuestMemory"),
        unitTests(of: "SyntheticVM", "Hypervisor", "GuestMemory"),
        unitTests(of: "FrameTransport", "WireProtocol"),
        unitTests(
            of: "MigrationEngine", "FrameTransport", "GuestMemory", "PageCodec", "WireProtocol"),
        unitTests(of: "Inventory"),
        unitTests(of: "History", sqlite),
        .testTarget(
            name: "CommandTests",
            dependencies: [
                "Commands", "Handoff", "History", "Inventory", "LinuxSystem", "MigrationModel",
                "Orchestrator", "Ownership", "SSHTransport", "TestSupport", "WireProtocol",
                "livemig",
                argumentParser, systemPackage,
            ],
            path: "Tests/CommandTests"),
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "CrashPoints", "FrameTransport", "Hypervisor", "Journal", "LinuxSystem",
                "MigrationModel", "TestSupport", "WireProtocol", "livemig", "livemig-agent",
                "livemig-synthetic-guest", systemPackage,
            ],
            path: "Tests/EndToEndTests", exclude: ["Transcripts"]),
    ]
}

@MainActor func unitTests(
    of target: String, _ more: Target.Dependency..., resources: [String] = []
) -> Target {
    let common = ["LinuxSystem", "MigrationModel", "TestSupport"].filter { $0 != target }
    return .testTarget(
        name: target + "Tests",
        dependencies: ([target] + common).map { .byName(name: $0) } + [systemPackage] + more,
        path: "Tests/\(target)Tests", exclude: resources)
}

var systemPackage: Target.Dependency { .product(name: "SystemPackage", package: "swift-system") }
var sqlite: Target.Dependency { .product(name: "GRDB", package: "GRDB.swift") }
var logging: Target.Dependency { .product(name: "Logging", package: "swift-log") }
var argumentParser: Target.Dependency {
    .product(name: "ArgumentParser", package: "swift-argument-parser")
}

for target in package.targets where ![.system, .plugin].contains(target.type) {
    target.swiftSettings = [
        .swiftLanguageMode(.v6),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableExperimentalFeature("Lifetimes"),
        .strictMemorySafety(),
        .treatAllWarnings(as: .error),
    ]
    target.cSettings = [
        .enableWarning("all"), .enableWarning("extra"), .treatAllWarnings(as: .error),
    ]
}
