// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "livemig-benchmarks",
    dependencies: [
        .package(name: "livemig", path: ".."),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    ],
    targets: [
        .executableTarget(
            name: "livemig-benchmark",
            dependencies: [
                .product(name: "LivemigParts", package: "livemig"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)])
    ]
)
